# Prints the targets and knobs of a Makefile: each has its description in a "## " line above it.
/^## / { text = substr($0, 4); next }
text != "" && /^[a-z]+:/ {
    name = $1; sub(/:.*/, "", name)
    targets = targets sprintf("  make %-12s %s\n", name, text)
}
text != "" && /^[A-Z_]+ *=/ {
    value = $0; sub(/^[A-Z_]+ *= */, "", value)
    knobs = knobs sprintf("  %-14s %s%s\n", $1, text, value == "" ? "" : " [" value "]")
}
{ text = "" }
END { printf "Targets\n%s\nKnobs, as in: make train AUGMENT=elastic EPOCHS=20  [default]\n%s", targets, knobs }
