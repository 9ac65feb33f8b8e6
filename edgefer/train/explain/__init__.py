"""What the filters of a trained network respond to: `edgefer explain`.

A filter is shown by the images of a data set that it answers most to, each at the one unit of its map that
answers most, as Breuer and Kimmel do (A Deep Learning Perspective on the Origin of Facial Expressions, 2017,
section 3.1).
"""
