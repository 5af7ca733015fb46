#!/bin/sh
# Downloads a public data set from its home, checks it, and says which ini lines use it.  See
# --help.
#
# A file is downloaded under a temporary name beside its place, its SHA-256 is compared, and only
# then is it renamed: what stands under its own name is whole and right.  Nothing is resumed; what
# an interrupted run left is removed.
#
# Where the sums are from: the homes publish MD5 at best, so the SHA-256 below are those that
# independent projects publish for the same files (for MNIST and Fashion-MNIST beside the homes'
# MD5; for Kuzushiji-49 and CIFAR-10 as pins of the files at their homes).
set -eu

usage() {
  cat <<'TEXT'
Usage: tools/fetch_data.sh NAME [--to DIR] [--mirror URL] [--sums FILE]

Downloads a data set, checks its SHA-256, and prints the [dataset] lines that use it.

NAME is one of
  mnist           handwritten digits         60,000 + 10,000 images, 28x28 grey,   10 classes   12 MB
  fashion-mnist   articles of clothing       60,000 + 10,000 images, 28x28 grey,   10 classes   31 MB
  kuzushiji-49    cursive Japanese script  232,365 + 38,547 images,  28x28 grey,   49 classes   76 MB
  cifar-10        animals and vehicles       50,000 + 10,000 images, 32x32 colour, 10 classes  170 MB

  --to DIR      where to put the files (default: data/NAME); files that are there and right are not fetched again
  --mirror URL  where to fetch the files from instead of their home; the same file names, one folder; file:// works too
  --sums FILE   lines "SHA256  FILENAME" that replace the sums known here, for a mirror that packs its files anew
  --help        this text

Needs curl or wget, and sha256sum, shasum or openssl.  Exit status: 0 done, 1 failed, 2 wrong usage.
TEXT
}

fail() {
  echo "fetch_data.sh: $*" >&2
  exit 1
}

wrong_usage() {
  echo "fetch_data.sh: $*" >&2
  echo "Try 'tools/fetch_data.sh --help'." >&2
  exit 2
}

# ------------------------------------------------------------------------------------------ options

name='' to='' mirror='' sums=''
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --to | --mirror | --sums)
      [ $# -ge 2 ] || wrong_usage "$1 needs a value"
      case $1 in
        --to) to=$2 ;;
        --mirror) mirror=${2%/} ;;
        --sums) sums=$2 ;;
      esac
      shift 2 ;;
    --to=*) to=${1#*=}; shift ;;
    --mirror=*) mirror=${1#*=}; mirror=${mirror%/}; shift ;;
    --sums=*) sums=${1#*=}; shift ;;
    -*) wrong_usage "unknown option $1" ;;
    *)
      [ -z "$name" ] || wrong_usage "one data set at a time: $name or $1"
      name=$1
      shift ;;
  esac
done
[ -n "$name" ] || wrong_usage "which data set? (mnist, fashion-mnist, kuzushiji-49, cifar-10)"
[ -z "$sums" ] || [ -r "$sums" ] || fail "cannot read $sums"

# homes: where to look, in this order, a line each; files: SHA-256 of the file, SHA-256 of what
# gzip unpacks it to or -, name
case $name in
  mnist)
    # The first is MNIST's home, which often refuses; the second is the copy that TensorFlow and
    # PyTorch fetch from.
    homes="http://yann.lecun.com/exdb/mnist
https://storage.googleapis.com/cvdf-datasets/mnist"
    files="
440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db train-images-idx3-ubyte.gz
3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 train-labels-idx1-ubyte.gz
8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 t10k-images-idx3-ubyte.gz
f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6 ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 t10k-labels-idx1-ubyte.gz"
    source="MNIST by Y. LeCun, C. Cortes and C. Burges, CC BY-SA 3.0" ;;
  fashion-mnist | fashion)
    name=fashion-mnist
    homes="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
    files="
3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84 - train-images-idx3-ubyte.gz
a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845 - train-labels-idx1-ubyte.gz
346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073 - t10k-images-idx3-ubyte.gz
67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5 - t10k-labels-idx1-ubyte.gz"
    source="Fashion-MNIST by Zalando SE, MIT licence" ;;
  kuzushiji-49 | kuzushiji49 | k49)
    name=kuzushiji-49
    homes="http://codh.rois.ac.jp/kmnist/dataset/k49"
    files="
1c42adc463ed8efe598cf002f6ecafbca6d8c38f0551f7a35e0b23755fca1c8d - k49-train-imgs.npz
fbfef4750ce9aa70b6072f0bca7daa9e80e2d79b379d5ae923265a63396260e4 - k49-train-labels.npz
1de2476bb29ed1a12a2424e6724349f7519f6f39d112848aea6aa9c21eeaf594 - k49-test-imgs.npz
299be30ea32c2cc69318f5a5a579ffbffb0a6a1ccff134fb0ca834cd525ad6af - k49-test-labels.npz"
    source="KMNIST dataset by CODH, adapted from the Kuzushiji dataset by NIJL and others, doi:10.20676/00000341, CC BY-SA 4.0" ;;
  cifar-10 | cifar10)
    name=cifar-10
    homes="https://www.cs.toronto.edu/~kriz"
    files="
c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd - cifar-10-binary.tar.gz"
    source="CIFAR-10 by A. Krizhevsky, V. Nair and G. Hinton" ;;
  *) wrong_usage "no data set is called '$name' here (mnist, fashion-mnist, kuzushiji-49, cifar-10)" ;;
esac
[ -z "$mirror" ] || homes=$mirror
[ -n "$to" ] || to=data/$name

# -------------------------------------------------------------------------------------------- tools

if command -v sha256sum >/dev/null 2>&1; then
  sha256() { sha256sum; }
elif command -v shasum >/dev/null 2>&1; then
  sha256() { shasum -a 256; }
elif command -v openssl >/dev/null 2>&1; then
  sha256() { openssl dgst -sha256 -r; }
else
  fail "needs sha256sum, shasum or openssl to check what it downloads"
fi

# The sum of standard input, alone.
sum_of() { sha256 | cut -d ' ' -f 1; }

# get URL FILE
get() {
  case $1 in
    file://*) cp -- "${1#file://}" "$2" ;;
    *)
      if command -v curl >/dev/null 2>&1; then
        curl --fail --location --silent --show-error --connect-timeout 30 --retry 2 --output "$2" -- "$1"
      elif command -v wget >/dev/null 2>&1; then
        wget --quiet --timeout=30 --tries=3 --output-document="$2" -- "$1"
      else
        fail "needs curl or wget to download (on Debian: apt-get install curl)"
      fi ;;
  esac
}

# The sum that a file should have: from --sums, where it names the file, or from the list above.
wanted_sum() { # NAME BUILT-IN
  wanted=
  [ -z "$sums" ] ||
    wanted=$(awk -v name="$1" '{ sub(/^\*/, "", $2) } $2 == name { print tolower($1); exit }' "$sums")
  echo "${wanted:-$2}"
}

# right FILE NAME SUM SUM-OF-CONTENT: 0 where FILE is what it should be, else $why says why not.
right() {
  wanted=$(wanted_sum "$2" "$3")
  found=$(sum_of <"$1")
  [ "$found" != "$wanted" ] || return 0
  # A copy that was packed anew has other bytes but the same content.
  if [ "$4" != - ] && [ "$(gzip -dc <"$1" 2>/dev/null | sum_of)" = "$4" ]; then return 0; fi
  why="SHA-256 is $found, it should be $wanted"
  return 1
}

# -------------------------------------------------------------------------------------------- fetch

mkdir -p -- "$to" || fail "cannot make the folder $to"
part=$to/.fetch.$$
trap 'rm -rf -- "$part" "$part.folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

newline='
'
fetch() { # SUM SUM-OF-CONTENT NAME
  if [ -f "$to/$3" ] && right "$to/$3" "$3" "$1" "$2"; then
    echo "$3: is there" >&2
    return
  fi
  problem=
  IFS=$newline # a mirror's path may have spaces
  for home in $homes; do
    unset IFS
    echo "$3: fetching from $home" >&2
    if ! get "$home/$3" "$part"; then
      problem="$problem
  $home/$3: could not be downloaded"
    elif ! right "$part" "$3" "$1" "$2"; then
      problem="$problem
  $home/$3: $why"
    else
      chmod 644 "$part"
      mv -f -- "$part" "$to/$3"
      return
    fi
    rm -f -- "$part"
  done
  fail "$3 could not be fetched:$problem
Try again later, or give another source with --mirror URL."
}

# The archive of CIFAR-10 is unpacked beside its place and renamed as a whole, so that the folder
# is there or is not.
unpack_cifar() {
  rm -rf -- "$part.folder"
  mkdir -- "$part.folder"
  gzip -dc <"$to/cifar-10-binary.tar.gz" | (cd "$part.folder" && tar -xf -) || fail "the archive could not be unpacked"
  [ -f "$part.folder/cifar-10-batches-bin/data_batch_1.bin" ] || fail "the archive holds no cifar-10-batches-bin/data_batch_1.bin"
  rm -rf -- "$to/cifar-10-batches-bin"
  mv -- "$part.folder/cifar-10-batches-bin" "$to/cifar-10-batches-bin"
  rm -f -- "$to/cifar-10-binary.tar.gz"
}

if [ "$name" = cifar-10 ] && [ -d "$to/cifar-10-batches-bin" ]; then
  echo "cifar-10-batches-bin: is there" >&2
else
  # The list is read by the shell itself, not by a child: an exit in fetch ends the script.
  while read -r sum content file; do
    [ -z "$file" ] || fetch "$sum" "$content" "$file"
  done <<LIST
$files
LIST
  [ "$name" != cifar-10 ] || unpack_cifar
fi

cat <<TEXT
$source
The lines for an ini file:

[dataset]
path = $to
TEXT
