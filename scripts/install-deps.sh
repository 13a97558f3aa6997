#!/usr/bin/env bash
# Checks for the Debian packages argosy is built with and installs the missing
# ones: as root, or by sudo where it asks for no password.  Otherwise it prints
# the command to type and ends with status 1.  Nothing is done, and no network
# is needed, when all are there.
set -u

packages=(
    gcc make pkg-config python3
    libopenmpi-dev openmpi-bin libopenblas-dev
    libzmq3-dev libmsgpack-dev libsodium-dev libxxhash-dev
    libjansson-dev libyaml-dev libcmocka-dev
    libpcre2-dev libutf8proc-dev libgmp-dev libmpfr-dev
    bubblewrap libseccomp-dev
    gnuplot-nox
)

if ! command -v dpkg-query >/dev/null; then
    echo "install-deps: not a Debian machine; these must be there under their names here:" >&2
    echo "  ${packages[*]}" >&2
    exit 0 # the compiler will say what is missing
fi

# What provides a package counts too: libmsgpack-dev is a name for another in newer releases.
is_installed() {
    dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Provides}\n' 2>/dev/null |
        awk -v want="$1" '/^ii/ { for (i = 2; i <= NF; i++) { sub(",", "", $i); if ($i == want) found = 1 } }
                          END { exit !found }'
}
missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done

command -v clang-format >/dev/null || command -v clang-format-14 >/dev/null ||
    echo "install-deps: no clang-format: \`make lint\` will not check the format (apt-get install clang-format-14)"

[ ${#missing[@]} -eq 0 ] && exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "install-deps: missing: ${missing[*]}" >&2
    echo "install-deps: type this, then try again:  sudo $command" >&2
    exit 1
fi
echo "install-deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $command; then
    # The list of packages may be old or not there at all, as in a fresh container.
    "${as_root[@]}" apt-get update -q &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $command || {
        echo "install-deps: that failed; type it by hand to see why:  sudo $command" >&2
        exit 1
    }
fi
