"""What the owner of an account does and sees: one folder per platform, all of one shape
(`common.spec.PlatformSpec`)."""
