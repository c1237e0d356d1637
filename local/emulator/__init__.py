"""The emulated AWS: MiniStack, bound to loopback, in an environment of its own.

`process` starts and ends it and runs in the project's environment. The other modules run inside the
emulator's: `serve` puts them around MiniStack.
"""
