# Turns the profile of Debian's package golang-github-containers-common (podman's own format) into
# the linux.seccomp object of the OCI runtime specification, as podman does for a container with
# its default capabilities on x86-64:
#
#   jq -f tests/bench/podman-seccomp.jq /usr/share/containers/seccomp.json \
#      >tests/bench/podman-seccomp.json

["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
 "CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
 "CAP_SYS_CHROOT"] as $capabilities
| def has_any($list; $wanted): ($list // []) | any(. as $x | $wanted | index($x) != null);
  def applies:
    ((.includes.arches // []) | length == 0 or has_any(.; ["amd64"]))
    and ((.includes.caps // []) | length == 0 or all(. as $c | $capabilities | index($c) != null))
    and (has_any(.excludes.arches; ["amd64"]) | not)
    and (has_any(.excludes.caps; $capabilities) | not);
{
  defaultAction,
  defaultErrnoRet,
  architectures: (.archMap[] | select(.architecture == "SCMP_ARCH_X86_64")
    | [.architecture] + .subArchitectures),
  syscalls: [.syscalls[] | select(applies)
    | {names, action}
      + (if .errnoRet != null then {errnoRet} else {} end)
      + (if (.args // []) | length > 0 then
           {args: [.args[] | {index, value, valueTwo, op}]}
         else {} end)]
}
