#!/bin/sh
# Starts one host of the ring: fills in what is known only now, chooses the command line, and becomes it.
# Environment: POD_IP, POD_NAME, POD_UID, CONFIG, VOLUME, LOGS, and SPEC, the folder with the files of all hosts as
# <pod>.<file> and with <pod>.first.args and <pod>.every.args, one argument per line.
set -eu
mkdir -p "$CONFIG" "$VOLUME" "$LOGS"
fill() {
  sed -e "s|{{POD_IP}}|$POD_IP|g" -e "s|{{POD_NAME}}|$POD_NAME|g" -e "s|{{POD_UID}}|$POD_UID|g" \
      -e "s|{{CONFIG}}|$CONFIG|g" -e "s|{{VOLUME}}|$VOLUME|g" -e "s|{{LOGS}}|$LOGS|g" "$1"
}
for file in "$SPEC/$POD_NAME".*; do
  fill "$file" > "$CONFIG/${file#"$SPEC/$POD_NAME".}"
done
which=every
[ -e "$VOLUME/.started" ] || which=first
touch "$VOLUME/.started"
set --
while IFS= read -r word || [ -n "$word" ]; do
  set -- "$@" "$word"
done < "$CONFIG/$which.args"
read -r up _ < /proc/uptime # seconds with two digits after the point
echo "${up%.*}${up#*.}0000000 $POD_UID $*" >> "$LOGS/command.jsonl"
exec "$@" >> "$LOGS/main.out" 2>&1
