"""How far images can be compressed before AutoML accuracy drops, and what that saves."""
