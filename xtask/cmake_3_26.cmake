# Succeeds where CMake is new enough for hdf5-static.
cmake_minimum_required(VERSION 3.26)
