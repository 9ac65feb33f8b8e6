#!/bin/sh
# Installs two model directories in turn as the default model, without end, for a power cut to hit; `edgefer models verify
# default` says whether a whole model is there, and exits with 4 where it is not.
#   update_loop.sh DIR DIR
set -u
n=0
while :; do
  for model in "$@"; do
    edgefer models install "$model" --as default || exit
    n=$((n + 1))
    echo "update $n: $model"
  done
done
