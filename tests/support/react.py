"""React as Debian's packages have it."""

from pathlib import Path

REACT = Path("/usr/share/nodejs/react")
REACT_DOM = REACT.parent / "react-dom"
# The development builds: they mount each component twice in strict mode.
SCRIPTS = {
    "react.umd.js": REACT / "umd/react.development.js",
    "react-dom.umd.js": REACT_DOM / "umd/react-dom.development.js",
}
