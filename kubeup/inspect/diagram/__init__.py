"""A picture of what runs where: read from the cluster, drawn as text, as Mermaid and as SVG, and
given as data.
"""

from kubeup.inspect.diagram.model import Part, Picture
from kubeup.inspect.diagram.reading import as_dict, collect
from kubeup.inspect.diagram.show_mermaid import mermaid
from kubeup.inspect.diagram.show_svg import svg
from kubeup.inspect.diagram.show_text import text

__all__ = ["Part", "Picture", "as_dict", "collect", "mermaid", "svg", "text"]
