//! What a picture of a matched frame is drawn from.
