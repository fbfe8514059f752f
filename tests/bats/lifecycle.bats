#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 60 s
# The life of a container: create, start, state, kill, delete, run, list, and their exit statuses.
load lib/common.bash

@test "run: the program's output is the caller's, and its exit status too" {
	container 'echo out; echo err >&2; exit 7'
	is "$status" 7
	is "$output" out
	is "$stderr" err
}

@test "run: the program's standard input is the caller's" {
	program cat
	target 'cd $bundle && echo typed | caisson run $id'
	is "$output" typed
}

@test "run: a program that dies by signal N ends with 128 + N" {
	namespaces_only 'needs a process that is not init to die by a signal'
	without_namespace pid
	container 'kill -KILL $$'
	is "$status" 137
}
