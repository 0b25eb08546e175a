"""Beamline, camera and scene parameters; every field carries its unit in its name or comment."""

from dataclasses import dataclass, field, replace

# Equivalent diameters [um] (lower, upper) per class; micro-explosions give their parent's diameter.
DIAMETERS_UM = {
    "solid_particle": (14, 90),
    "molten_droplet": (12, 95),
    "bubbling_droplet": (24, 120),
    "hollow_shell": (40, 180),
    "oxide_capped": (22, 100),
    "microexplosion": (35, 110),
    "fragment": (5, 15),
    "agglomerate": (32, 200),
    "residue": (24, 130),
}
REDUCED_DIAMETERS_UM = {
    "solid_particle": (16, 46),
    "molten_droplet": (14, 46),
    "bubbling_droplet": (24, 50),
    "hollow_shell": (28, 60),
    "oxide_capped": (22, 48),
    "microexplosion": (20, 34),
    "fragment": (6, 14),
    "agglomerate": (28, 62),
    "residue": (22, 50),
}
# Weights with which the class of a slow particle is drawn at its reference time. Particles change class and
# explosions throw fragments, so the shares among the labelled instances differ; notebook 01 counts them.
CURATED = {
    "solid_particle": 0.17,
    "molten_droplet": 0.16,
    "bubbling_droplet": 0.11,
    "hollow_shell": 0.10,
    "oxide_capped": 0.10,
    "microexplosion": 0.18,
    "agglomerate": 0.10,
    "residue": 0.08,
}
NATURAL = {
    "solid_particle": 0.28,
    "molten_droplet": 0.31,
    "bubbling_droplet": 0.16,
    "hollow_shell": 0.04,
    "oxide_capped": 0.10,
    "microexplosion": 0.004,
    "agglomerate": 0.08,
    "residue": 0.02,
}
REDUCED_CURATED = {
    "solid_particle": 0.14,
    "molten_droplet": 0.12,
    "bubbling_droplet": 0.07,
    "hollow_shell": 0.17,
    "oxide_capped": 0.12,
    "microexplosion": 0.20,
    "agglomerate": 0.10,
    "residue": 0.08,
}


@dataclass(frozen=True)
class Preset:
    """Everything the simulator needs to know about the experiment (defaults: APS 32-ID with its U18 undulator)."""

    name: str = "aps32id_u18"
    height: int = 624  # pixels of the frame this preset was made for; other sizes are allowed
    width: int = 640
    pixel_um: float = 2.0
    oversampling: int = 4  # samples of the object per camera pixel and axis
    margin_um: float = 32.0  # free border around every propagated patch, against wrap-around
    energy_kev: float = 24.4
    third_harmonic_share: float = 0.01  # of the flux, at three times the energy; used for Zr and Hf scenes
    distance_m: float = 0.30  # sample to scintillator
    exposure_us: float = 2.5
    frame_interval_us: float = 20.0
    psf_core_sigma_um: float = 2.1  # fitted to fringes of real frames; the optics' formula alone gives 1.8
    psf_tail_sigma_um: float = 6.0
    psf_tail_share: float = 0.15
    source_sigma_h_um: float = 1.2  # source size projected to the detector
    source_sigma_v_um: float = 0.1
    quanta_per_pixel: tuple[float, float] = (2200.0, 4200.0)  # electrons in the open beam, drawn per sequence
    read_noise_e: float = 20.0
    gain_dn_per_e: float = 0.55
    offset_dn: float = 64.0
    bits: int = 12
    hot_pixel_share: float = 3e-5
    dead_pixel_share: float = 1e-5
    reference_frames: int = 20  # flat and dark frames averaged for the correction
    flat_fall: tuple[float, float] = (0.10, 0.30)  # fall of the beam profile over the field
    flat_streaks: float = 0.01
    flat_texture: tuple[float, float] = (0.01, 0.02)
    dust_rings: tuple[int, int] = (5, 15)
    drift_px: float = 0.2  # of the illumination between flats and frame
    drift_intensity: float = 0.01
    particles_per_mm2: float = 6.0  # slow particles with a reference time in the sequence
    fragments_per_mm2: float = 0.4  # lone fragments per key frame
    drift_m_per_s: tuple[float, float] = (0.2, 3.0)
    fragment_m_per_s: tuple[float, float] = (2.0, 15.0)
    ejecta_m_per_s: tuple[float, float] = (1.0, 5.0)
    ejecta_drag_us: float = 60.0
    sequence_frames: tuple[int, int] = (22, 40)
    inside_share: float = 0.3  # centres keep this part of their radius inside the field
    diameters_um: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(DIAMETERS_UM))
    curated_weights: dict[str, float] = field(default_factory=lambda: dict(CURATED))
    natural_weights: dict[str, float] = field(default_factory=lambda: dict(NATURAL))

    @property
    def relative_noise(self) -> float:
        """Expected noise of a corrected open-beam pixel, relative to the open beam (at the mean flux)."""
        quanta = sum(self.quanta_per_pixel) / 2
        return (quanta + self.read_noise_e**2) ** 0.5 / quanta * (1 + 1 / self.reference_frames) ** 0.5


_APS = Preset()
PRESETS: dict[str, Preset] = {
    "aps32id_u18": _APS,
    # Another hutch day: longer distance, softer lens, larger source and fewer photons.
    "aps32id_shifted": replace(
        _APS,
        name="aps32id_shifted",
        distance_m=0.45,
        psf_core_sigma_um=2.6,
        source_sigma_h_um=2.3,
        quanta_per_pixel=(1300.0, 2200.0),
        read_noise_e=25.0,
    ),
    # A small field of view: natural density would leave it empty and a 200 um shell would not fit. Slower, too,
    # so that a particle stays as many frames in view as in the whole field.
    "reduced": replace(
        _APS,
        name="reduced",
        height=64,
        width=64,
        particles_per_mm2=122.0,
        fragments_per_mm2=20.0,
        drift_m_per_s=(0.01, 0.12),
        fragment_m_per_s=(1.0, 6.0),
        ejecta_m_per_s=(0.6, 1.6),
        ejecta_drag_us=30.0,
        inside_share=0.75,
        diameters_um=dict(REDUCED_DIAMETERS_UM),
        curated_weights=dict(REDUCED_CURATED),
    ),
}


def get_preset(preset: str | Preset) -> Preset:
    """The preset of that name; a Preset (for instance from ``dataclasses.replace``) is returned as it is."""
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; there are {', '.join(PRESETS)}")
    return PRESETS[preset]
