# shellcheck shell=bash
# Shared by the set-up scripts. Each runs in the empty folder that its tool is to live in, with
# PYTHON naming the interpreter for virtual environments. Nothing is installed on the machine:
# Debian packages are unpacked under the cache, so no service starts and no root is needed.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

fail() {
  echo "$*" >&2
  exit 1
}

need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || fail "needs '$program', which is not on PATH"
  done
}

# step SECONDS COMMAND...: one bounded, named step of a set-up.
step() {
  local seconds=$1 status=0
  shift
  echo "+ $*" >&2
  timeout --kill-after=10 "$seconds" "$@" || status=$?
  case $status in
    0) ;;
    124 | 137) fail "$1 ran past $seconds s" ;;
    *) fail "$1 ended with status $status" ;;
  esac
}

# The Debian mirror that apt uses here; another distribution's apt has none, so it can be named.
debian_mirror() {
  if [[ -n ${INFRA_GEN_DEBIAN_MIRROR:-} ]]; then
    echo "${INFRA_GEN_DEBIAN_MIRROR%/}"
    return
  fi
  need apt-get
  local uri
  # shellcheck disable=SC2016 # apt's own placeholder
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -m1 -E '/debian/?$' || true)
  # Fresh images have no downloaded lists; then the configured sources are all there is to read.
  if [[ -z $uri ]]; then
    uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
      grep -v '^ *#' | grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n1 | tr -d ' ' || true)
  fi
  [[ -n $uri ]] || fail "apt here uses no Debian mirror: name one in INFRA_GEN_DEBIAN_MIRROR"
  echo "${uri%/}"
}

# Debian's signing keys: installed on Debian, taken from the own (signed) archive elsewhere.
debian_keyring() {
  local installed=/usr/share/keyrings/debian-archive-keyring.gpg
  if [[ ! -s $installed ]]; then
    (mkdir -p .keyring && cd .keyring && step 120 apt-get -q download debian-archive-keyring &&
      dpkg -x debian-archive-keyring_*.deb .) >&2
    installed=$PWD/.keyring$installed
  fi
  echo "$installed"
}

# unpack_debs SUITE DESTINATION PACKAGE...: fetch with an apt of our own (own sources, own lists,
# the machine's apt stays as it is), verify by Debian's signatures, unpack. No dependencies.
# Mirrors that are frozen or lag serve a Release file past its date, hence Check-Valid-Until.
unpack_debs() {
  local suite=$1 destination=$2 apt=$PWD/.apt mirror keyring deb
  shift 2
  need apt-get dpkg
  mirror=$(debian_mirror)
  keyring=$(debian_keyring)
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs" "$destination"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/sources.list"
  local options=(
    -q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Dir::State::Status=/dev/null
    -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o Acquire::Retries=3
    -o Acquire::http::Timeout=30 -o APT::Update::Error-Mode=any
    -o "APT::Sandbox::User=$(id -un)"
  )
  step 180 apt-get "${options[@]}" update >&2
  (cd "$apt/debs" && step 300 apt-get "${options[@]}" download "$@" >&2)
  for deb in "$apt"/debs/*.deb; do
    dpkg -x "$deb" "$destination"
  done
  rm -rf "$apt"
}

# new_venv PIP_ARGUMENTS...: a virtual environment in ./venv.
new_venv() {
  step 60 "$PYTHON" -m venv venv
  step 900 venv/bin/pip install --quiet --no-input --retries 3 "$@"
}
