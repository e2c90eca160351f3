#!/bin/sh
# Make docker/.env with a password for the database; what is there is left as it is.
set -eu
file="$(dirname "$0")/.env"
if [ -e "$file" ]; then
  echo "$file is there already; nothing done." >&2
  exit 0
fi
umask 077
password="$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"
printf 'CS3_DATABASE_PASSWORD=%s\n' "$password" > "$file"
echo "Wrote $file. Keep it: without it the database cannot be opened." >&2
