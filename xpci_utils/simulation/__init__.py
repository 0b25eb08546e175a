"""Physics-based simulator of X-ray phase-contrast frames of burning metal particles (always *simulated*)."""

from xpci_utils.lazy import attach

__getattr__, __dir__ = attach(
    __name__,
    {
        "Body": "particles",
        "Instance": "labels",
        "PRESETS": "presets",
        "Preset": "presets",
        "SimulatedFrame": "simulate",
        "adjusted_preset": "dataset",
        "build_particle": "particles",
        "export_hdf5": "export",
        "export_tiff": "export",
        "flat_field_correct": "detector",
        "fresh_examples": "fresh",
        "fresnel_propagate": "optics",
        "get_preset": "presets",
        "imaging_steps": "single",
        "intensity_window": "window",
        "load_classes": "classes",
        "load_materials": "materials",
        "make_film": "film",
        "make_particle": "single",
        "optical_constants": "materials",
        "plan_splits": "simulate",
        "record_sequence": "export",
        "relative_to_uint8": "window",
        "simulate_frames": "simulate",
        "simulate_sequence": "simulate",
        "shifted_preset": "more",
        "transmission": "optics",
        "write_fresh_pool": "more",
        "write_shifted_frames": "more",
        "write_simulated_frames": "dataset",
    },
)
