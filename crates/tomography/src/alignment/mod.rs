//! Offsets that put the images of a tilt series where one sample can have made them all.
