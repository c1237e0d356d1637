#!/bin/sh
# Installed by make as .venv/bin/holdfast: the command line of the checkout that .venv belongs to.
root=${0%.venv/bin/holdfast}
test -f "${root}cli/__main__.py" || root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")/
exec "${root}.venv/bin/python" -P "${root}cli/__main__.py" "$@"
