# Read by the scripts that load nginx with TLS: installs it, and makes certificates in `work`.

install_nginx() {
    command -v nginx >/dev/null && return
    echo "installing nginx" >&2
    # Its package would start it on port 80.
    local policy=/usr/sbin/policy-rc.d made=
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=yes; }
    apt-get install -y --no-install-recommends nginx-light >"$work/apt.log" 2>&1 ||
        { apt-get update && apt-get install -y --no-install-recommends nginx-light; } >"$work/apt.log" 2>&1 ||
        { tail -5 "$work/apt.log" >&2; exit 1; }
    [ -z "$made" ] || rm -f $policy
}

# An authority of our own, whose certificate is $work/ca.pem.
make_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=test authority" \
        -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
}

# certificate NAME SUBJECT_ALT_NAMES DAYS_BACK DAYS_FORWARD: signed by our authority
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/$1.key" -out "$work/$1.csr" \
        -subj "/CN=$1" 2>/dev/null
    printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\n' "$2" >"$work/$1.ext"
    mkdir -p "$work/ca"
    : >"$work/ca/index"
    printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/ca/index\nnew_certs_dir=%s/ca\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
        "$work" "$work" >"$work/ca.cnf"
    openssl ca -batch -config "$work/ca.cnf" -cert "$work/ca.pem" -keyfile "$work/ca.key" -in "$work/$1.csr" \
        -out "$work/$1.pem" -extfile "$work/$1.ext" -notext \
        -startdate "$(date -u -d "$3 days ago" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$4 days" +%Y%m%d%H%M%SZ)" 2>/dev/null
}
