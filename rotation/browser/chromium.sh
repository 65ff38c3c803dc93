#!/bin/sh
# Starts Chromium as Playwright asks for it, but as the account CERBY_RUN_AS and with its profile in its own HOME; it
# dies with whatever started it. What Playwright passes besides is kept.
for argument do
  shift
  case $argument in --user-data-dir=*) argument="--user-data-dir=$HOME/profile" ;; esac
  set -- "$@" "$argument"
done
# shellcheck disable=SC2086
exec setpriv $CERBY_RUN_AS --pdeathsig KILL -- "$CERBY_CHROMIUM" "$@"
