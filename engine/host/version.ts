// Node itself, which runs some tests without a bundler, wants to be told that it is JSON.
import description from '../../package.json' with { type: 'json' };

/** Hartbox's own version, as `0.1.0`. */
export const { version: HARTBOX_VERSION } = description;
/** The versions of Node that it runs on, as `^20.19.0 || >=24.0.0`. */
export const NODE_RANGE = description.engines.node;
