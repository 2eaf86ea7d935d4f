// SPDX-License-Identifier: MIT
// node-postgres through a transaction pooler; prints "ok name" or what was
// wrong.
const { Pool, Client } = require("pg");

function check(name, got, want) {
	const g = JSON.stringify(got), w = JSON.stringify(want);
	console.log(g === w ? "ok " + name : `${name}: ${g}, not ${w}`);
}

async function main() {
	const pool = new Pool({ max: 10 });
	let wrong = 0;
	await Promise.all(Array.from({ length: 200 }, async (_, i) => {
		const r = await pool.query({
			name: "add" + i % 7,
			text: `select $1::int + ${i % 7} as sum, $2::text as t`,
			values: [i, "v" + i],
		});
		if (r.rows[0].sum !== i + i % 7 || r.rows[0].t !== "v" + i)
			wrong++;
	}));
	check("200 named statements on ten clients and two servers", wrong, 0);
	await Promise.all(Array.from({ length: 100 }, async (_, i) => {
		const r = await pool.query("select $1::int as i", [i]);
		if (r.rows[0].i !== i)
			wrong++;
	}));
	check("unnamed ones", wrong, 0);
	const c = await pool.connect();
	let code = "none";
	try {
		await c.query("begin");
		await c.query("select 1/$1::int", [0]);
	} catch (e) {
		code = e.code;
	}
	await c.query("rollback");
	check("an error in a transaction", code, "22012");
	const r = await c.query("select 7 as n");
	check("and after it", r.rows[0].n, 7);
	c.release();
	const one = new Client();
	await one.connect();
	const rows = await one.query(
	    "select g, repeat('x', 100) from generate_series(1, 20000) g");
	check("20000 rows", rows.rowCount, 20000);
	await one.end();
	await pool.end();
}

main().catch((e) => console.log("failed: " + e.stack));
