"""The parts of the page, each from its part of the report."""
