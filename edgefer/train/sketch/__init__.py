#: Names of the paper's networks, as its tables have them.
PAPER = {"vgg11": "VGG11", "resnet50": "ResNet50", "capsnet": "CapsNet"}
#: Side of the sketches in the paper, and of those of our own network, pixels.
SIDE, OWN_SIDE = 250, 64
#: Times that the routing of CapsNet goes round, on digits and then on sketches.
ROUTING_DIGITS, ROUTING_SKETCHES = 3, 5
