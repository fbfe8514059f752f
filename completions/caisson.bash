# SPDX-License-Identifier: Apache-2.0
# bash completion for caisson(8)

_caisson_ids() {
	local words=() root=
	for ((i = 1; i < cword; i++)); do
		[[ ${COMP_WORDS[i]} == --root ]] && root=${COMP_WORDS[i + 1]}
	done
	[[ -n $root ]] && words=(--root "$root")
	caisson "${words[@]}" list --quiet 2>/dev/null
}

_caisson_command() {
	local i
	for ((i = 1; i < cword; i++)); do
		case ${COMP_WORDS[i]} in
		--root | --settings | --log | --log-format | --log-level | --cgroup-manager | --rootless | --isolation) ((i++)) ;;
		-*) ;;
		*)
			echo "${COMP_WORDS[i]}"
			return
			;;
		esac
	done
}

_caisson() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cword=$COMP_CWORD
	local commands='create start state kill delete run exec list ps spec pause resume update events features vm doctor'
	local global='--root --log --log-format --log-level --debug --systemd-cgroup --cgroup-manager
		--rootless --isolation --settings --version --help'
	local create='--bundle --config --pid-file --console-socket --pidfd-socket --no-pivot --no-new-keyring
		--preserve-fds --help'
	local command flags=

	case $prev in
	--bundle | -b | --root | --image-path | --work-path)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--log | --settings | --pid-file | --console-socket | --pidfd-socket | --process | -p | --resources | -r)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--log-format)
		mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur")
		return
		;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W 'error warning info debug' -- "$cur")
		return
		;;
	--cgroup-manager)
		mapfile -t COMPREPLY < <(compgen -W 'cgroupfs systemd disabled' -- "$cur")
		return
		;;
	--rootless)
		mapfile -t COMPREPLY < <(compgen -W 'auto true false' -- "$cur")
		return
		;;
	--isolation)
		mapfile -t COMPREPLY < <(compgen -W 'namespace vm auto' -- "$cur")
		return
		;;
	--format | -f)
		mapfile -t COMPREPLY < <(compgen -W 'table json' -- "$cur")
		return
		;;
	esac

	command=$(_caisson_command)
	case $command in
	'')
		mapfile -t COMPREPLY < <(compgen -W "$commands $global" -- "$cur")
		return
		;;
	create) flags=$create ;;
	run) flags="$create --detach --keep --no-subreaper" ;;
	exec)
		flags='--process --detach --pid-file --console-socket --pidfd-socket --preserve-fds --tty
			--cwd --env --user --additional-gids --cap --no-new-privs --process-label --apparmor
			--cgroup --ignore-paused --help'
		;;
	kill) flags='--all --help' ;;
	delete) flags='--force --help' ;;
	list) flags='--format --quiet --help' ;;
	ps) flags='--format --help' ;;
	doctor) flags='--format --help' ;;
	spec) flags='--bundle --rootless --help' ;;
	update)
		flags='--resources --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-idle
			--cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --pids-limit --help'
		;;
	events) flags='--stats --interval --help' ;;
	*) flags='--help' ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
	elif [[ $command == kill && $prev != kill && $prev != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -A signal -- "SIG${cur#SIG}")
	else
		case $command in
		create | run | list | spec | features) ;;
		vm) mapfile -t COMPREPLY < <(compgen -W 'boot probe' -- "$cur") ;;
		*) mapfile -t COMPREPLY < <(compgen -W "$(_caisson_ids)" -- "$cur") ;;
		esac
	fi
}

complete -F _caisson caisson
