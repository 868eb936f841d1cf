"""What the owner of an account does and sees: one adapter per platform, all of one shape (`base.Adapter`)."""
