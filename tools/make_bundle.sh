#!/bin/sh
# Packs what a machine with a GPU needs to run tools/gpu_check.sh without internet, compiler or
# packages (`make bundle`).
#
#   tools/make_bundle.sh BUILD
#
# BUILD/gsos-bundle.tar.gz unpacks to gsos-bundle/: the sources as they are here (so that `make`
# builds anew where nvcc is), and
#   bin/         programs of BUILD/gpu
#   lib/         the shared libraries that they need; the programs look here first
#   lib/system/  the C library and its loader, for a machine whose own is older (tools/gpu_check.sh
#                decides)
#   gsos         runs bin/gsos
# Fails where a library is missing, a program would take one from elsewhere, or the archive is 50
# MB or more.
set -eu
cd "$(dirname "$0")/.."
build=${1:?usage: make_bundle.sh BUILD}
archive=$build/gsos-bundle.tar.gz
limit=50000000
stage=$build/bundle
top=$stage/gsos-bundle

fail() {
  echo "make_bundle.sh: $*" >&2
  exit 1
}

rm -rf "$stage"
mkdir -p "$top/bin" "$top/lib/system"

# ---- sources: what git knows or would add; without git, all but what was built
{ git ls-files --cached --others --exclude-standard 2>/dev/null ||
  find . \( -name .git -o -path './build*' -o -path ./results -o -path ./gsos \) -prune -o -type f -print; } |
  while read -r file; do [ ! -f "$file" ] || echo "$file"; done | tar -c -T - | tar -x -C "$top"

# ---- programs
cp -P "$build"/gpu/* "$top/bin/" # most are links to one
[ -x "$top/bin/gsos" ] || fail "$build/gpu holds no gsos"
find "$top/bin" -type f -exec strip --strip-debug {} + # a third of what they take

# ---- libraries.  ldd: "NAME => PATH (ADDRESS)", and the loader as a path alone.
for program in "$top"/bin/*; do ldd "$program"; done >"$stage/ldd"
if grep 'not found' "$stage/ldd" >&2; then fail "a library is missing"; fi
awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' "$stage/ldd" | sort -u >"$stage/libraries"
while read -r library; do
  case ${library##*/} in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libmvec.so.* | ld-linux*) cp -L "$library" "$top/lib/system/" ;;
    *) cp -L "$library" "$top/lib/" ;;
  esac
done <"$stage/libraries"
ls "$top"/lib/system/ld-linux* >/dev/null || fail "found no loader"

# Nothing but the C library may come from the machine.
for program in "$top"/bin/*; do
  case $program in *.so) continue ;; esac
  ldd "$program" | awk -v lib="$(cd "$top" && pwd)/lib/" '
    $2 == "=>" && $1 !~ /^(libc|libm|libdl|librt|libpthread|libmvec)\.so/ {
      path = $3
      while (sub(/[^\/]+\/\.\.\//, "", path)) {}
      if (index(path, lib) != 1) { print $1 " would come from " $3; bad = 1 }
    }
    END { exit bad }' >&2 || fail "$program takes a library from elsewhere"
done

cat >"$top/gsos" <<'END'
#!/bin/sh
# Runs bin/gsos; with the C library of the bundle where the machine's own is older than it asks for.
here=$(cd "$(dirname "$0")" && pwd)
exec sh "$here/tools/bundled.sh" "$here/bin/gsos" "$@"
END
chmod +x "$top/gsos"

# ---- the archive: the same bytes for the same files
mtime=$(git log -1 --format=@%ct 2>/dev/null || date +@%s)
tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime="$mtime" -C "$stage" gsos-bundle | gzip -9n >"$archive.new"
bytes=$(wc -c <"$archive.new")
[ "$bytes" -lt "$limit" ] || fail "the archive has $bytes bytes; $limit is the limit"
mv "$archive.new" "$archive"
rm -rf "$stage"
echo "$archive: $(((bytes + 50000) / 100000 / 10)).$(((bytes + 50000) / 100000 % 10)) MB"
echo "there: tar xzf gsos-bundle.tar.gz && sh gsos-bundle/tools/gpu_check.sh"
