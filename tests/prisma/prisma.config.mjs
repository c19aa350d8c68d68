// The real Prisma Migrate, talking to PostgreSQL through the `pg` driver: its own engine binary is downloaded from a
// host that package registries do not mirror. The engine's logic (schema-engine compiled to WebAssembly) is the same.
import { randomUUID } from "node:crypto";
import pg from "pg";
import { PrismaPg } from "@prisma/adapter-pg";
import { defineConfig } from "prisma/config";

const TEXT = 25;
// The catalog's own types, which @prisma/adapter-pg does not know ("char", name, the OID aliases); they travel as text.
const CATALOG_TYPES = new Set([18, 19, 2205, 4089]);

const schema = process.env.LOCKTENDER_PRISMA_SCHEMA || "public";

function pool(database) {
  return new pg.Pool({
    host: process.env.PGHOST,
    port: Number(process.env.PGPORT),
    user: process.env.PGUSER,
    password: process.env.PGPASSWORD,
    database,
    options: `-c search_path="${schema}"`,
    max: 1, // the engine keeps one connection: the advisory lock and the scripts share it
    allowExitOnIdle: true,
  });
}

class MigrateAdapterFactory extends PrismaPg {
  constructor(database) {
    super(pool(database), { schema, disposeExternalPool: true });
  }

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

  // As PrismaPg does, which drops the database before it has left it.
  async connectToShadowDb() {
    const name = `prisma_migrate_shadow_db_${randomUUID()}`;
    const beside = await new MigrateAdapterFactory(process.env.PGDATABASE).connect();
    await beside.executeScript(`CREATE DATABASE "${name}"`);
    const shadow = await new MigrateAdapterFactory(name).connect();
    const leave = shadow.dispose.bind(shadow);
    shadow.dispose = async () => {
      await leave();
      await beside.executeScript(`DROP DATABASE "${name}"`);
      await beside.dispose();
    };
    return shadow;
  }
}

// The engine never clears the timer of its lock time-out (P1002), and Node would wait for it after all work is done.
const LOCK_TIMEOUT_MS = 10_000;
const { setTimeout: later } = globalThis;
globalThis.setTimeout = (callback, delay, ...rest) => {
  const timer = later(callback, delay, ...rest);
  return delay === LOCK_TIMEOUT_MS ? timer.unref() : timer;
};

// After `migrate dev --create-only` the engine is freed twice, and in WebAssembly the second time is an error.
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  get exports() {
    const { __wbg_schemaengine_free: free, ...rest } = super.exports;
    return free ? { ...rest, __wbg_schemaengine_free: (engine, own) => engine && free(engine, own) } : super.exports;
  }
};

export default defineConfig({
  experimental: { adapter: true },
  engine: "js",
  schema: process.env.LOCKTENDER_PRISMA_DATAMODEL,
  migrations: { path: process.env.LOCKTENDER_PRISMA_MIGRATIONS },
  adapter: async () => new MigrateAdapterFactory(process.env.PGDATABASE),
});
