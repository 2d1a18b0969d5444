# Sourced: names commands that are missing, and installs their packages on Debian and its kin in one go.
# shellcheck shell=bash

missing=()

# need COMMAND PACKAGE: the package will be installed if there is no such command.
need() {
    command -v "$1" >/dev/null || missing+=("$2")
}

# Installs what was found missing; asks for no network when nothing is.
install_missing() {
    if ((${#missing[@]} == 0)); then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        echo "missing here, and there is no apt-get to install it: ${missing[*]}" >&2
        return 1
    fi
    local root=()
    if ((EUID != 0)); then
        root=(sudo)
    fi
    echo "installing ${missing[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    missing=()
}
