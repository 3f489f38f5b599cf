# COMMAND DOCS: its texts are our own, its shape is not
COMMAND DOCS nosuch
COMMAND DOCS nosuch nosuch2
@pick 0
COMMAND DOCS get
@pick 1.0,2,4-5
COMMAND DOCS get
@pick 1.3
COMMAND DOCS get
@pick 1.5
COMMAND DOCS GETSET
@pick 0
COMMAND DOCS GETSET
@pick 0
COMMAND DOCS "client|id"
COMMAND DOCS "client|nosuch"
@resp 3
@type
COMMAND DOCS get
@type
COMMAND DOCS
COMMAND DOCS nosuch
