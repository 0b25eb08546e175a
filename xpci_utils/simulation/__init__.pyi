from .classes import load_classes
from .dataset import adjusted_preset, write_simulated_frames
from .detector import flat_field_correct
from .export import export_hdf5, export_tiff, record_sequence
from .film import make_film
from .fresh import comparison_sets, fresh_examples
from .labels import Instance
from .materials import load_materials, optical_constants
from .more import shifted_preset, write_fresh_pool, write_role_frames, write_shifted_frames
from .optics import fresnel_propagate, transmission
from .particles import Body, build_particle
from .presets import PRESETS, Preset, get_preset
from .roles import DEVELOPMENT_FRAMES, DEVELOPMENT_SEED, ROLES, Role
from .simulate import SimulatedFrame, plan_splits, simulate_frames, simulate_sequence
from .single import imaging_steps, make_particle
from .window import intensity_window, relative_to_uint8

__all__ = [
    "DEVELOPMENT_FRAMES",
    "DEVELOPMENT_SEED",
    "PRESETS",
    "ROLES",
    "Body",
    "Instance",
    "Preset",
    "Role",
    "SimulatedFrame",
    "adjusted_preset",
    "build_particle",
    "comparison_sets",
    "export_hdf5",
    "export_tiff",
    "flat_field_correct",
    "fresh_examples",
    "fresnel_propagate",
    "get_preset",
    "imaging_steps",
    "intensity_window",
    "load_classes",
    "load_materials",
    "make_film",
    "make_particle",
    "optical_constants",
    "plan_splits",
    "record_sequence",
    "relative_to_uint8",
    "shifted_preset",
    "simulate_frames",
    "simulate_sequence",
    "transmission",
    "write_fresh_pool",
    "write_role_frames",
    "write_shifted_frames",
    "write_simulated_frames",
]
