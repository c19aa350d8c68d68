// The real Prisma Migrate, talking to PostgreSQL through the `pg` driver: its own engine binary is downloaded from a
// host that package registries do not mirror. The engine's logic (schema-engine compiled to WebAssembly) is the same.
import pg from "pg";
import { PrismaPg } from "@prisma/adapter-pg";
import { defineConfig } from "prisma/config";

const TEXT = 25;
// The catalog's own types, which @prisma/adapter-pg does not know ("char", name, the OID aliases); they travel as text.
const CATALOG_TYPES = new Set([18, 19, 2205, 4089]);

class MigrateAdapterFactory extends PrismaPg {
  async connect() {
    const adapter = await super.connect();
    const performIO = adapter.performIO.bind(adapter);
    adapter.performIO = async (query) => {
      const result = await performIO(query);
      for (const field of result.fields ?? []) {
        if (CATALOG_TYPES.has(field.dataTypeID)) field.dataTypeID = TEXT;
      }
      return result;
    };
    // As the engine binary up to 7.3 does: the whole file as one simple-query message.
    adapter.executeScript = async (script) => {
      try {
        await adapter.underlyingDriver().query(script);
      } catch (error) {
        adapter.onError(error);
      }
    };
    return adapter;
  }
}

// The engine never clears the timer of its lock time-out (P1002), and Node would wait for it after all work is done.
const LOCK_TIMEOUT_MS = 10_000;
const { setTimeout: later } = globalThis;
globalThis.setTimeout = (callback, delay, ...rest) => {
  const timer = later(callback, delay, ...rest);
  return delay === LOCK_TIMEOUT_MS ? timer.unref() : timer;
};

const schema = process.env.LOCKTENDER_PRISMA_SCHEMA || "public";

export default defineConfig({
  experimental: { adapter: true },
  engine: "js",
  schema: process.env.LOCKTENDER_PRISMA_DATAMODEL,
  migrations: { path: process.env.LOCKTENDER_PRISMA_MIGRATIONS },
  adapter: async () =>
    new MigrateAdapterFactory(
      new pg.Pool({
        host: process.env.PGHOST,
        port: Number(process.env.PGPORT),
        user: process.env.PGUSER,
        password: process.env.PGPASSWORD,
        database: process.env.PGDATABASE,
        options: `-c search_path="${schema}"`,
        max: 1, // the engine keeps one connection: the advisory lock and the scripts share it
        allowExitOnIdle: true,
      }),
      { schema, disposeExternalPool: true },
    ),
});
