"""One file per dataset; each registers itself."""
