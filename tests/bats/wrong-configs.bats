#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 60 s
# A wrong config.json is refused in one line that says what to change, on standard error and in the
# JSON log, and leaves nothing. The table is wrong-configs.txt.
load lib/common.bash

# The documents of the table, one a line, and their names and expressions.
wrong_documents() {
	local name filter regex
	names=() regexes=()
	while IFS=$'\t' read -r name filter regex; do
		[[ -n $name && $name != \#* ]] || continue
		names+=("$name") regexes+=("$regex")
		jq -rc "$filter" "$lib/default.json" || fail "$name: bad filter: $filter"
	done <"$lib/../wrong-configs.txt" >"$BATS_TEST_TMPDIR/documents"
}

@test "every wrong config is refused in one line that says what to change, and leaves nothing" {
	local names regexes i found log wrong=()
	wrong_documents
	((${#names[@]} >= 60)) || fail "only ${#names[@]} wrong configs"
	cp "$BATS_TEST_TMPDIR/documents" "$BATS_TEST_TMPDIR/config.json"
	changed=yes
	limit=120
	target 'cd "$bundle" && mv config.json documents
		while IFS= read -r document; do
			printf "%s" "$document" >config.json
			rm -f log
			"$CAISSON" --root "$ROOT" --log log --log-format json $flags \
				create --bundle "$bundle" "$id" 2>err </dev/null
			printf "%s/%s/%s/%s " "$?" "$(wc -l <err)" "$(wc -l <log)" \
				"$(ls -A "$ROOT" 2>/dev/null | grep -v "^[@.]")"
			for file in err log; do
				[ -s "$file" ] || echo nothing
				head -n 1 "$file"
			done
			[ -z "$(ls -A "$ROOT" 2>/dev/null | grep -v "^[@.]")" ] ||
				caisson delete --force "$id"
		done <documents'
	# Status, lines of either, what is left; the line itself; the log.
	for i in "${!names[@]}"; do
		IFS= read -r found && IFS= read -r log || fail "${names[i]}: no answer"
		if [[ $found != 1/1/1/\ * || ! ${found#* } =~ ${regexes[i]} ]] ||
			! jq -e --arg line "${found#* }" '.level == "error" and (.time | type) == "string"
				and (.msg as $msg | $line | endswith($msg))' <<<"$log" >/dev/null; then
			wrong+=("${names[i]}: expected ${regexes[i]}, found $found, log $log")
		fi
	done <<<"$output"
	((${#wrong[@]} == 0)) || fail "$(printf '%s\n' "${wrong[@]}")"
}
