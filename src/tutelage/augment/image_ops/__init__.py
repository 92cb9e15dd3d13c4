"""Operations on whole batches of uint8 images, each row with its own parameter. Pillow is the reference."""
