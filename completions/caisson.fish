# SPDX-License-Identifier: Apache-2.0
# fish completion for caisson(8)

function __caisson_ids
    caisson list --quiet 2>/dev/null
end

set -l commands create start state kill delete run exec list ps spec pause resume update events features vm doctor
set -l none "not __fish_seen_subcommand_from $commands"

complete -c caisson -f
complete -c caisson -n $none -l root -x -a '(__fish_complete_directories)' -d 'Where the state is kept'
complete -c caisson -n $none -l log -r -F -d 'Where warnings and errors go'
complete -c caisson -n $none -l log-format -x -a 'text json' -d 'Form of the log'
complete -c caisson -n $none -l log-level -x -a 'error warning info debug' -d 'What is logged'
complete -c caisson -n $none -l debug -d 'Log everything'
complete -c caisson -n $none -l systemd-cgroup -d 'Let systemd make the control group'
complete -c caisson -n $none -l cgroup-manager -x -a 'cgroupfs systemd disabled' -d 'Who makes the control group'
complete -c caisson -n $none -l rootless -x -a 'auto true false' -d 'Do without what only root may'
complete -c caisson -n $none -l isolation -x -a 'namespace vm auto' -d 'How containers are isolated'
complete -c caisson -n $none -l settings -r -F -d 'File of settings'
complete -c caisson -n $none -l version -d 'Print the version'
complete -c caisson -l help -d 'Print a summary'

complete -c caisson -n $none -a create -d 'Create a container up to its start gate'
complete -c caisson -n $none -a start -d 'Run the program of a created container'
complete -c caisson -n $none -a state -d 'Print the state of a container'
complete -c caisson -n $none -a kill -d 'Send a signal to a container'
complete -c caisson -n $none -a delete -d 'Remove a container'
complete -c caisson -n $none -a run -d 'Create, start, wait and delete'
complete -c caisson -n $none -a exec -d 'Run another program in a container'
complete -c caisson -n $none -a list -d 'List containers'
complete -c caisson -n $none -a ps -d 'List the processes of a container'
complete -c caisson -n $none -a spec -d 'Write a config.json'
complete -c caisson -n $none -a pause -d 'Freeze a container'
complete -c caisson -n $none -a resume -d 'Let a frozen container go on'
complete -c caisson -n $none -a update -d 'Change the limits of a container'
complete -c caisson -n $none -a events -d 'Print statistics of a container'
complete -c caisson -n $none -a features -d 'Print what this build can do'
complete -c caisson -n $none -a vm -d 'Boot a kernel, or see whether KVM works'
complete -c caisson -n '__fish_seen_subcommand_from vm' -a 'boot probe'
complete -c caisson -n $none -a doctor -d 'Say what this host can do, and how to mend the rest'

complete -c caisson -n '__fish_seen_subcommand_from start state kill delete exec ps pause resume update events' -a '(__caisson_ids)'

complete -c caisson -n '__fish_seen_subcommand_from create run spec' -s b -l bundle -x -a '(__fish_complete_directories)' -d 'The bundle'
complete -c caisson -n '__fish_seen_subcommand_from create run exec' -l pid-file -r -F -d 'Write the process ID to a file'
complete -c caisson -n '__fish_seen_subcommand_from create run exec' -l console-socket -r -F -d 'Socket that receives the terminal'
complete -c caisson -n '__fish_seen_subcommand_from create run exec' -l pidfd-socket -r -F -d 'Socket that receives a pidfd'
complete -c caisson -n '__fish_seen_subcommand_from create run exec' -l preserve-fds -x -d 'Pass file descriptors on'
complete -c caisson -n '__fish_seen_subcommand_from create run' -s f -l config -r -d 'Configuration in place of config.json'
complete -c caisson -n '__fish_seen_subcommand_from create run' -l no-pivot -d 'Move the root instead of pivot_root'
complete -c caisson -n '__fish_seen_subcommand_from create run' -l no-new-keyring -d "Keep the caller's session keyring"
complete -c caisson -n '__fish_seen_subcommand_from run exec' -s d -l detach -d 'Return once the program runs'
complete -c caisson -n '__fish_seen_subcommand_from run' -l keep -d 'Do not delete the container when it has ended'
complete -c caisson -n '__fish_seen_subcommand_from run' -l no-subreaper -d 'Do not reap orphans'

complete -c caisson -n '__fish_seen_subcommand_from exec' -s p -l process -r -F -d 'A process as JSON'
complete -c caisson -n '__fish_seen_subcommand_from exec' -s t -l tty -d 'Give it a terminal'
complete -c caisson -n '__fish_seen_subcommand_from exec' -l cwd -x -d 'Working directory'
complete -c caisson -n '__fish_seen_subcommand_from exec' -s e -l env -x -d 'Add to the environment'
complete -c caisson -n '__fish_seen_subcommand_from exec' -s u -l user -x -d 'User and group'
complete -c caisson -n '__fish_seen_subcommand_from exec' -s g -l additional-gids -x -d 'Supplementary group'
complete -c caisson -n '__fish_seen_subcommand_from exec' -s c -l cap -x -d 'Add a capability'
complete -c caisson -n '__fish_seen_subcommand_from exec' -l no-new-privs -d 'Set no_new_privs'
complete -c caisson -n '__fish_seen_subcommand_from exec' -l process-label -x -d 'SELinux label'
complete -c caisson -n '__fish_seen_subcommand_from exec' -l apparmor -x -d 'AppArmor profile'
complete -c caisson -n '__fish_seen_subcommand_from exec' -l cgroup -x -d "Control group below the container's"
complete -c caisson -n '__fish_seen_subcommand_from exec' -l ignore-paused -d 'Do not refuse a paused container'

complete -c caisson -n '__fish_seen_subcommand_from kill' -s a -l all -d 'Signal all processes'
complete -c caisson -n '__fish_seen_subcommand_from delete' -s f -l force -d 'Kill it first'
complete -c caisson -n '__fish_seen_subcommand_from doctor' -s f -l format -x -a 'text json' -d 'Form'
complete -c caisson -n '__fish_seen_subcommand_from list ps' -s f -l format -x -a 'table json' -d 'Form'
complete -c caisson -n '__fish_seen_subcommand_from list' -s q -l quiet -d 'Ids only'
complete -c caisson -n '__fish_seen_subcommand_from spec' -l rootless -d 'For an ordinary user'
complete -c caisson -n '__fish_seen_subcommand_from update' -s r -l resources -r -F -d 'Limits as JSON'
for limit in blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-idle cpuset-cpus cpuset-mems memory memory-reservation memory-swap pids-limit
    complete -c caisson -n '__fish_seen_subcommand_from update' -l $limit -x -d 'Limit'
end
complete -c caisson -n '__fish_seen_subcommand_from events' -l stats -d 'Print once'
complete -c caisson -n '__fish_seen_subcommand_from events' -l interval -x -d 'Time between'
