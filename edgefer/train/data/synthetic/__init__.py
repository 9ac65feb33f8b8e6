"""Moving faces that we make: films with the truth of every frame, for what no film at hand teaches.

`units` says what action units do to 68 points, `warp` moves a photograph or a drawn face by them, `script` says what
happens when, `films` takes the film. `identities` and `drawn` are the faces. What is learnt from them is *synthetic*.
"""
