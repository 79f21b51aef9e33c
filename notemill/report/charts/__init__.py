"""Charts as SVG markup; their colours are the page's, by class."""
