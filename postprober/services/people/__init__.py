"""Who works here, who is signed in, and what each may do."""
