"""Where images and labels come from. Sources are read only; nothing is ever written into them."""
