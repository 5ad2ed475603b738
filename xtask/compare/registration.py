"""Workloads of registration: scikit-image and SciPy."""

import numpy as np
import scipy.fft
from image_registration import chi2_shift
from skimage.registration import optical_flow_ilk, optical_flow_tvl1, phase_cross_correlation

from worker import serve

SEED = 20260
BLUR = 1.5  # px: fine enough for a sharp maximum, coarse enough to be sampled well
NOISE = 0.05  # of the scene's rms
GRID = 100  # reference's steps per px


def scene(rng, size, shift=(0.0, 0.0)):
    """A smooth random periodic field of unit rms, and the same displaced by `shift`."""
    spectrum = scipy.fft.rfft2(rng.standard_normal((size, size)))
    ky = scipy.fft.fftfreq(size)[:, None]
    kx = scipy.fft.rfftfreq(size)[None, :]
    spectrum *= np.exp(-2 * (np.pi * BLUR) ** 2 * (ky**2 + kx**2))
    spectrum[0, 0] = 0
    still = scipy.fft.irfft2(spectrum, s=(size, size))
    ramp = np.exp(-2j * np.pi * (ky * shift[0] + kx * shift[1]))
    moved = scipy.fft.irfft2(spectrum * ramp, s=(size, size))
    rms = still.std()
    return still / rms, moved / rms


def rms(values):
    return np.sqrt(np.mean(np.abs(values) ** 2, dtype=np.float64))


class Shift:
    """Both results are shifts (y, x): content of `moving` is displaced by as much."""

    def difference(self, ours, theirs):
        return np.abs(np.asarray(ours) - theirs).max()

    def keep(self, rng, reference, moving, dtype):
        moving = moving + NOISE * rng.standard_normal(moving.shape)
        self.reference, self.moving = reference.astype(dtype), moving.astype(dtype)
        return {"reference": self.reference, "moving": self.moving}

    def run(self):
        # scikit-image returns the shift that takes the moving image back.
        shift, _, _ = phase_cross_correlation(
            self.reference, self.moving, normalization=None, upsample_factor=GRID
        )
        return -shift


class RegisterPeriodic(Shift):
    truth = (3.374, -2.816)

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        return self.keep(rng, *scene(rng, size, self.truth), dtype)


class Chi2Periodic(RegisterPeriodic):
    def run(self):
        dx, dy, _, _ = chi2_shift(self.reference, self.moving, NOISE, upsample_factor="auto")
        return np.array([dy, dx])


class RegisterOverlap(Shift):
    """Frames cut from a larger scene, so that content enters and leaves."""

    truth = (3.374, -2.816)

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        margin = 16
        inner = slice(margin, margin + size)
        still, moved = scene(rng, size + 2 * margin, self.truth)
        return self.keep(rng, still[inner, inner], moved[inner, inner], dtype)


class RegisterMasked(Shift):
    """The true shift is whole, since the reference knows whole pixels only."""

    truth = (7.0, -5.0)

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        margin = 16
        inner = slice(margin, margin + size)
        still, moved = scene(rng, size + 2 * margin, self.truth)
        arrays = self.keep(rng, still[inner, inner], moved[inner, inner], dtype)
        # Spots some pixels wide, half of the frame each.
        self.reference_mask, self.moving_mask = (scene(rng, size)[0] > 0 for _ in range(2))
        return arrays | {"reference_mask": self.reference_mask, "moving_mask": self.moving_mask}

    def run(self):
        shift, _, _ = phase_cross_correlation(
            self.reference,
            self.moving,
            reference_mask=self.reference_mask,
            moving_mask=self.moving_mask,
            overlap_ratio=0.3,
        )
        return -shift


class RegisterSeries(Shift):
    """Shifts (frame, axis) of frames against the first, which shows the scene without noise."""

    n_frames = 32

    def arrays(self, size, dtype):
        self.truth = np.random.default_rng(SEED).uniform(-4, 4, (self.n_frames, 2))
        self.truth[0] = 0
        # The same seed each time makes the same scene; only the displacement differs.
        noise = np.random.default_rng(SEED + 1)
        frames = [scene(np.random.default_rng(SEED), size, shift)[1] for shift in self.truth]
        frames[1:] = [frame + NOISE * noise.standard_normal(frame.shape) for frame in frames[1:]]
        self.frames = np.array(frames, dtype)
        return {"frames": self.frames}

    def run(self):
        shifts = (
            phase_cross_correlation(
                self.frames[0], moving, normalization=None, upsample_factor=GRID
            )[0]
            for moving in self.frames
        )
        return -np.array(list(shifts))


class Transform:
    """The result is the half spectrum (y, k_x), then the round trip, flat."""

    def arrays(self, size, dtype):
        self.image = np.random.default_rng(SEED).standard_normal((size, size)).astype(dtype)
        return {"image": self.image}

    def run(self):
        self.spectrum = scipy.fft.rfft2(self.image, workers=1)
        return scipy.fft.irfft2(self.spectrum, s=self.image.shape, workers=1)

    def difference(self, ours, theirs):
        n_bins = self.spectrum.size
        spectrum = ours[: 2 * n_bins].view(np.complex128).reshape(self.spectrum.shape)
        pairs = (spectrum, self.spectrum), (ours[2 * n_bins :].reshape(theirs.shape), theirs)
        relative = max(rms(a - b) / rms(b) for a, b in pairs)
        return relative / np.finfo(self.image.dtype).eps


class Flow:
    """The result is a flow (2, y, x): reference[r] is found at moving[r + flow[:, r]]."""

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        still, moved = scene(rng, size, (0.6, -0.4))
        moved = moved + NOISE * rng.standard_normal(moved.shape)
        # Defaults of both sides are meant for intensities between 0 and 1.
        self.reference, self.moving = (
            (0.5 + 0.125 * image).astype(dtype) for image in (still, moved)
        )
        self.truth = np.broadcast_to(np.reshape((0.6, -0.4), (2, 1, 1)), (2, size, size))
        return {"reference": self.reference, "moving": self.moving}

    def difference(self, ours, theirs):
        return rms(np.hypot(*(ours - theirs)))


class FlowTvl1(Flow):
    def run(self):
        return optical_flow_tvl1(self.reference, self.moving, dtype=self.reference.dtype)


class FlowIlk(Flow):
    def run(self):
        return optical_flow_ilk(self.reference, self.moving, dtype=self.reference.dtype)


serve(
    {
        "register_periodic": RegisterPeriodic,
        "register_masked": RegisterMasked,
        "chi2_periodic": Chi2Periodic,
        "chi2_grid": Chi2Periodic,
        "register_overlap": RegisterOverlap,
        "register_series": RegisterSeries,
        "transform": Transform,
        "flow_tvl1": FlowTvl1,
        "flow_ilk": FlowIlk,
    }
)
