"""The landmark network: 68 points and what of the face can be seen, learnt from a face mesh's labels."""
