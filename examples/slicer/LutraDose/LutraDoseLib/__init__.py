"""What the module LutraDose does, without the desktop program."""
