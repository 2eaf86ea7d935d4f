#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# Pipelines in transaction mode: an error in each position, batches without
# and with prepared statements, two clients on servers that they share.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

pg_start
pg_sql 'create role alice superuser login; create table t (i int)'
pooler_ini 'default_pool_size = 2' 'server_round_robin = 1' \
    'max_prepared_statements = 2'
pooler_start
pooler_env

# batch position: five queries and a sync, the one at position divides by zero
batch() {
	local i wanted=
	for i in 1 2 3 4 5; do
		[ "$i" -eq "$1" ] && echo "a sendparams select $i / \$1::int ^0" ||
		    echo "a sendparams select $i / \$1::int ^1"
		if [ "$i" -lt "$1" ]; then
			wanted+="$i / "
		elif [ "$i" -eq "$1" ]; then
			wanted+="22012 division by zero / "
		else
			wanted+="aborted / "
		fi
	done
	echo "a sync"
	echo "a getsync"
	echo "= ${wanted}sync"
}

# prepared batches: a Parse that fails, a Bind that fails, a name unknown
for kind in batches statements mixed; do
	echo ": $kind"
	echo "a open"
	echo "a pipeline"
	case $kind in
	batches)
		for position in 1 2 3 4 5 6; do
			batch $position
		done
		# Two batches on their way at once, each with its own error.
		batch 3 | grep -v getsync | grep -v '^='
		batch 6 | grep -v getsync | grep -v '^='
		echo "a getsync"
		echo "= 1 / 2 / 22012 division by zero / aborted / aborted / sync"
		echo "a getsync"
		echo "= 1 / 2 / 3 / 4 / 5 / sync"
		;;
	statements)
		cat <<-'STEPS'
		a prepare p select 'p', $1::int
		a sendrun p ^1
		a prepare q select 'q', $1::int
		a sendrun q ^2
		a sync
		a getsync
		= done / p|1 / done / q|2 / sync
		a sendrun p ^3
		a sendrun nobody
		a sendrun q ^4
		a sync
		a getsync
		= p|3 / 26000 prepared statement "nobody" does not exist / aborted / sync
		a prepare p select 'again'
		a sendrun p ^5
		a sync
		a getsync
		= 42P05 prepared statement "p" already exists / aborted / sync
		a sendrun p ^6
		a prepare bad selekt
		a prepare r select 'r'
		a sync
		a getsync
		~ p|6 / 42601 syntax error * / aborted / sync
		a sendrun r
		a sync
		a getsync
		= 26000 prepared statement "r" does not exist / sync
		a prepare r select 'r'
		a prepare s select 's'
		a sendrun p ^not-a-number
		a sendrun r
		a sync
		a getsync
		~ done / done / 22P02 invalid input syntax* / aborted / sync
		a sendrun s
		a sendrun r
		a sendrun q ^7
		a sendrun p ^8
		a sendrun s
		a sync
		a getsync
		= s / r / q|7 / p|8 / s / sync
		STEPS
		;;
	mixed)
		cat <<-'STEPS'
		b open
		a sendparams begin
		a sendparams insert into t values ($1) ^1
		a flush
		b exec select count(*) from t
		= 0
		a sendparams commit
		a sync
		a getsync
		= BEGIN / INSERT 0 1 / COMMIT / sync
		b exec select count(*) from t
		= 1
		a sendparams begin
		a sendparams insert into t values ($1) ^2
		a sync
		a getsync
		= BEGIN / INSERT 0 1 / sync
		a sendparams select 1/0
		a sync
		a getsync
		= 22012 division by zero / sync
		a sendparams rollback
		a sync
		a getsync
		= ROLLBACK / sync
		a sendparams select pg_sleep(0.3)
		a sync
		a sendparams select 'second batch'
		a sync
		a getsync
		b exec select count(*) from t
		= 1
		a getsync
		= second batch / sync
		a sync
		a getsync
		= sync
		b close
		STEPS
		;;
	esac
	echo "a endpipeline"
	echo "a exec select 'still works'"
	echo "= still works"
	echo "a close"
done >"$tmp/script"
drive <"$tmp/script"
succeeds 'servers are back' answers "select count(*) from pg_stat_activity
    where usename = 'alice' and state <> 'idle'" 0
pooler_stop
done_testing
