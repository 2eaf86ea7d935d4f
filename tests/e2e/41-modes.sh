#!/bin/bash
# SPDX-License-Identifier: MIT
# sanitizers
#
# pool_mode and max_prepared_statements change while clients are connected:
# each keeps what it relies on, and nobody comes upon what is another's.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

is_ours || skip_all "PgBouncer loses statements when the mode changes"
pg_start
pg_sql 'create role alice superuser login'
pooler_ini 'default_pool_size = 3' 'server_round_robin = 1'
pooler_start
pooler_env

# For pgtalk's sh: changes a setting by SET, or in the file and by RELOAD.
cat >"$tmp/set" <<-SH
#!/bin/sh
psql -Xq -h $tmp -p $port -U pgbouncer -d pgbouncer -c "SET \$1" >/dev/null
SH
cat >"$tmp/reload" <<-SH
#!/bin/sh
sed -i "s/^pool_mode = .*/pool_mode = \$1/" $tmp/pooler.ini
psql -Xq -h $tmp -p $port -U pgbouncer -d pgbouncer -c RELOAD >/dev/null
SH
chmod +x "$tmp/set" "$tmp/reload"

for how in "set pool_mode=" "reload "; do
talk <<TALK
test ${how% }: names from transaction mode go on in session mode
open a
open b
a> P s 'select 11' ; P '' 'select 12' ; S
a< 1 1 Z:I
b> P '' 'select 99' ; S
b< 1 Z:I
sh '$tmp/${how}session'
a> B '' ; E ; S
a< 2 D:12 C Z:I
a> B s ; E ; S ; D S s ; S
a< 2 D:11 C Z:I t T Z:I
a> Q 'create temp table mine (i int)'
a< C Z:I
b> Q 'select 1'
b< T D:1 C Z:I
a> Q 'select count(*) from mine'
a< T D:0 C Z:I
a> P s 'select 13' ; S ; C S s ; P s 'select 14' ; B s ; E ; S
a< E:42P05:* Z:I 3 1 2 D:14 C Z:I
a> B '' ; E ; S
a< E:26000:* Z:I
a> P '' 'select 15' ; S
a< 1 Z:I
a> B '' ; E ; S ; Q 'deallocate all' ; B s ; E ; S
a< 2 D:15 C Z:I C:DEALLOCATE* Z:I E:26000:* Z:I
a> P raw 'select 16' ; S
a< 1 Z:I
a> B raw ; E ; S
a< 2 D:16 C Z:I

test ${how% }: a session goes on, and its names are nobody else's
open a
open b
a> P raw 'select 21' ; S ; Q 'create temp table mine (i int)'
a< 1 Z:I C Z:I
a> Q 'select pg_backend_pid()'
a< T D C Z:I
let pid a
sh '$tmp/${how}transaction'
a> B raw ; E ; S ; Q 'select count(*) from mine' ; Q 'select pg_backend_pid()'
a< 2 D:21 C Z:I T D:0 C Z:I T D:\${pid} C Z:I
b> P s 'select 22' ; S
b< 1 Z:I
b> B raw ; E ; S
b< E:26000:* Z:I
b> B s ; E ; S
b< 2 D:22 C Z:I
close a
b> B raw ; E ; S
b< E:26000:* Z:I
b> B raw ; E ; S
b< E:26000:* Z:I
b> B raw ; E ; S
b< E:26000:* Z:I
b> B s ; E ; S
b< 2 D:22 C Z:I
TALK
done

talk <<TALK
test max_prepared_statements is lowered, names that are known go on
open a
open b
a> P s 'select 31' ; P s2 'select 32' ; S
a< 1 1 Z:I
sh '$tmp/set max_prepared_statements=1'
b> Q begin
b< C Z:T
a> B s ; E ; B s2 ; E ; B s ; E ; S
a< 2 D:31 C 2 D:32 C 2 D:31 C Z:I
sh '$tmp/set max_prepared_statements=0'
a> B s ; E ; B s2 ; E ; S
a< 2 D:31 C 2 D:32 C Z:I
b> P mine 'select 33' ; B mine ; E ; S
b< 1 2 D:33 C Z:T
b> Q 'deallocate mine'
b< C Z:T
b> Q commit
b< C Z:I
a> C S s ; C S s2 ; S ; B s ; E ; S
a< 3 3 Z:I E:26000:* Z:I
sh '$tmp/set max_prepared_statements=200'
TALK
pooler_stop
done_testing
