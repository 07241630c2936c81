"""What differs between databases, one concern a module, one function a vendor."""
