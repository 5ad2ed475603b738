//! Maxima of an image.
