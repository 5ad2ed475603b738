"""Writes the files beside this script with the programs that scientists use.

    python make.py        (numpy, astropy, tifffile, imagecodecs, Pillow, mrcfile)

Every image is the ramp below or a simple function of it, so that a test can say what each pixel must
be without another reader. Versions that wrote the files stand in README.md.
"""
import warnings
from pathlib import Path

import mrcfile
import numpy as np
import tifffile
from astropy.io import fits
from PIL import Image, PngImagePlugin

here = Path(__file__).parent
warnings.simplefilter("ignore")
Y, X, N = 5, 7, 3
ramp = np.arange(Y * X).reshape(Y, X)                    # ramp[y, x] = 7 y + x
cube = np.arange(N * Y * X).reshape(N, Y, X)             # cube[k, y, x] = 35 k + 7 y + x


def save(name, write):
    path = here / name
    path.unlink(missing_ok=True)
    write(path)


# NPY: each type in each byte order, Fortran order, cube, scalar, vector, empty, what must be refused.
for code in ["u1", "i1", "<u2", ">u2", "<i2", ">i4", "<u4", "<i8", ">u8", "<f2", ">f4", "<f4", ">f8", "<f8"]:
    name = code.replace("<", "le_").replace(">", "be_")
    np.save(here / f"npy_{name}.npy", ramp.astype(code))
np.save(here / "npy_bool.npy", ramp % 2 == 1)
np.save(here / "npy_fortran.npy", np.asfortranarray(ramp.astype("<u2")))
np.save(here / "npy_cube.npy", cube.astype("<f4"))
np.save(here / "npy_cube_fortran.npy", np.asfortranarray(np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype("<i2")))
np.save(here / "npy_scalar.npy", np.float64(2.5))
np.save(here / "npy_vector.npy", np.arange(4.0))
np.save(here / "npy_empty.npy", np.zeros((0, 5)))
np.save(here / "npy_complex.npy", ramp.astype(complex))
np.save(here / "npy_structured.npy", np.zeros(3, dtype=[("a", "<f4"), ("b", "<i2")]))
np.save(here / "npy_object.npy", np.array([{}, None]), allow_pickle=True)
with open(here / "npy_version3.npy", "wb") as f:
    np.lib.format.write_array(f, ramp.astype("<f4"), version=(3, 0))
np.savez(here / "npz_stored.npz", frames=cube.astype("<u2"), mask=ramp > 3)
np.savez_compressed(here / "npz_deflated.npz", frames=cube.astype("<u2"), fortran=np.asfortranarray(ramp))
np.savez_compressed(here / "npz_one.npz", image=ramp.astype("<f8"))

# FITS: every BITPIX, scaling, unsigned integers, BLANK, NaN, cube, extensions, long cards.
for code in ["u1", ">i2", ">i4", ">i8", ">f4", ">f8"]:
    save(f"fits_{code.strip('>')}.fits", fits.PrimaryHDU(ramp.astype(code)).writeto)
for code in ["u2", "u4", "u8", "i1"]:
    top = ramp.astype(code) + (np.iinfo(code).max - ramp.astype(code).max())   # ends at the largest value
    save(f"fits_unsigned_{code}.fits", fits.PrimaryHDU(top).writeto)
hdu = fits.PrimaryHDU(ramp.astype(">i2"))
hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 100.0, 3
raw = hdu.header.tostring().encode() + ramp.astype(">i2").tobytes().ljust(2880, b"\0")
(here / "fits_scaled_blank.fits").write_bytes(raw)
nan = ramp.astype(">f4")
nan[2, 3] = np.nan
save("fits_nan.fits", fits.PrimaryHDU(nan).writeto)
primary = fits.PrimaryHDU()
primary.header["OBJECT"] = ("O'Hara", "who")
primary.header["LONGTEXT"] = ("many words " * 12).strip()
primary.header["HIERARCH ESO DET CHIP"] = (3, "hierarchical")
primary.header["EXPOSURE"] = 1.5e-3
primary.header["HISTORY"] = "dark subtracted"
table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))], name="CATALOG")
sci = fits.ImageHDU(ramp.astype(">f4"), name="SCI", ver=1)
sci.header["CRVAL1"] = 150.1
save("fits_extensions.fits", fits.HDUList([
    primary, sci, table, fits.ImageHDU(cube.astype(">i2"), name="SCI", ver=2),
    fits.CompImageHDU(np.zeros((32, 32), "i2"), name="PACKED")]).writeto)
save("fits_radio.fits", fits.PrimaryHDU(ramp.astype(">f4")[None, None]).writeto)

# TIFF: types, byte orders, compressions, predictors, tiles, pages, colours, BigTIFF, ImageJ.
for code in ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"]:
    tifffile.imwrite(here / f"tif_{code}.tif", ramp.astype(code), photometric="minisblack")
tifffile.imwrite(here / "tif_big_endian.tif", ramp.astype("u2"), byteorder=">")
tifffile.imwrite(here / "tif_bigtiff.tif", ramp.astype("f4"), bigtiff=True, byteorder=">")
for compression in ["lzw", "zlib", "packbits"]:
    tifffile.imwrite(here / f"tif_{compression}.tif", ramp.astype("u2"), compression=compression, rowsperstrip=2)
for code in ["u1", "u2", "i4"]:
    tifffile.imwrite(here / f"tif_lzw_predictor_{code}.tif", ramp.astype(code), compression="lzw", predictor=2)
for code in ["f2", "f4", "f8"]:
    for order in "<>":
        name = f"tif_zlib_float_predictor_{code}_{'le' if order == '<' else 'be'}.tif"
        tifffile.imwrite(here / name, ramp.astype(code), compression="zlib", predictor=3, byteorder=order)
tifffile.imwrite(here / "tif_tiles.tif", np.arange(40 * 37).reshape(40, 37).astype("u2"), tile=(16, 16), compression="zlib")
tifffile.imwrite(here / "tif_pages.tif", cube.astype("u2"), photometric="minisblack", description="three pages")
with tifffile.TiffWriter(here / "tif_mixed.tif") as t:
    t.write(ramp.astype("u1"), photometric="minisblack")
    t.write(ramp.T.astype("u2"), photometric="minisblack")
rgb = np.stack([ramp, ramp + 50, ramp + 100], -1).astype("u1")
tifffile.imwrite(here / "tif_rgb.tif", rgb, photometric="rgb", compression="lzw", predictor=2)
tifffile.imwrite(here / "tif_rgb_planar.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate")
tifffile.imwrite(here / "tif_rgb_planar_tiles.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate", tile=(16, 16))
tifffile.imwrite(here / "tif_imagej.tif", cube.astype("u2"), imagej=True)
raw = bytearray((here / "tif_imagej.tif").read_bytes())
with tifffile.TiffFile(here / "tif_imagej.tif") as t:      # as ImageJ writes beyond 4 GB: one directory
    page = t.pages[0]
    n = len(page.tags)
    raw[page.offset + 2 + 12 * n:page.offset + 6 + 12 * n] = bytes(4)
(here / "tif_imagej.tif").write_bytes(raw)
Image.fromarray(ramp % 2 == 1).save(here / "tif_bilevel.tif")
Image.fromarray(ramp % 2 == 1).save(here / "tif_bilevel_g4.tif", compression="group4")
Image.fromarray(ramp.astype("u1")).save(here / "tif_pil_lzw.tif", compression="tiff_lzw")
Image.fromarray(np.zeros((16, 16), "u1")).save(here / "tif_jpeg.tif", compression="jpeg")

# PNG
Image.fromarray(ramp.astype("u1")).save(here / "png_gray8.png")
Image.fromarray((ramp * 1000).astype("u2")).save(here / "png_gray16.png")
text = PngImagePlugin.PngInfo()
text.add_text("Author", "make.py")
Image.fromarray(rgb).save(here / "png_rgb.png", pnginfo=text)
Image.fromarray(np.dstack([rgb, np.full((Y, X), 200, "u1")])).save(here / "png_rgba.png")
Image.fromarray(np.stack([ramp, ramp], -1).astype("u1"), mode="LA").save(here / "png_gray_alpha.png")
Image.fromarray(ramp % 2 == 1).save(here / "png_bilevel.png")
palette = Image.fromarray((ramp % 2).astype("u1"), mode="P")
palette.putpalette([10, 20, 30, 40, 50, 60])
palette.save(here / "png_palette.png")

# MRC: each mode, both byte orders, extended header.
for code in ["i1", "i2", "f4", "u2", "f2"]:
    mrcfile.write(here / f"mrc_{code}.mrc", ramp.astype(code), overwrite=True)
mrcfile.write(here / "mrc_complex.mrc", ramp.astype("c8"), overwrite=True)
mrcfile.write(here / "mrc_big_endian.mrc", cube.astype(">i2"), overwrite=True)
with mrcfile.new(here / "mrc_stack_extended.mrc", overwrite=True) as m:
    m.set_data(cube.astype("f4"))
    m.set_image_stack()
    m.voxel_size = 1.5
    m.set_extended_header(np.zeros(256, "u1"))
    m.add_label("made for nonius")
raw = bytearray((here / "mrc_i2.mrc").read_bytes())
raw[208:216] = bytes(8)
(here / "mrc_old.mrc").write_bytes(raw)
