"""mumott's alignment."""


def line_vertical_alignment(): "x"
def run_optical_flow_alignment(): "x"
def run_phase_matching_alignment(): "x"
def shifts_to_geometry(): "x"
