"""Recipes of the first edition, whose results record a hash of the code and not the version of their stage.

Made by scripts/first_edition_recipes.py from commit 1c65c0e; all of that code is version 1 of its stage.
"""

VERSION_OF_RECIPE = {
    "5a3bc858030b6900": 1,  # 01_prepare_frames
    "630ce741efe954f4": 1,  # 01_prepare_frames, source: folder
    "86dc52c6d5b6db54": 1,  # 02_train_ddpm
    "961e7a686f1538b2": 1,  # 03_adapt_sam
    "2fcbb3a87760038c": 1,  # 04_generate_synthetic
    "e9200865a9e2f798": 1,  # 04_generate_synthetic, pool: fresh
    "7e2380b6099939e0": 1,  # 04_generate_synthetic, labeller: vit_b
    "fed37a164d9b9d3c": 1,  # 04_generate_synthetic, labeller: vit_b, pool: heldout
    "e9941c7b79716f88": 1,  # 05_train_segmentation
    "54c4b272d9e406ee": 1,  # 06_tables_and_figures
    "9067836e3e5fdde6": 1,  # 07_apply_to_video
    "f8247ff764521692": 1,  # A1_pretrain_small_sam
}
