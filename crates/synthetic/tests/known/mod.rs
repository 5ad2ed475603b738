mod motion;
mod noise;
mod scenes;
