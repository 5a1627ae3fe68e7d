-- The store of aivcs in a schema of its own. Everybody reads tables; everybody writes through the
-- functions, which run as the owner, check right and link, and note who wrote and when.
-- Executed once by `aivcs init`, with search_path set to the schema and pg_temp; the functions again by
-- `aivcs store upgrade`.

CREATE TABLE meta (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  format integer NOT NULL,                               -- of the lines: docs/format.md
  schema integer NOT NULL                                -- of these tables and functions
);

-- Who may do what, beside GRANT: `store grants` prints the rows.
CREATE TABLE rights (
  kind text NOT NULL CHECK (kind IN ('recorder', 'promoter', 'eraser', 'maintainer')),
  role regrole NOT NULL,
  names text NOT NULL DEFAULT '*',                       -- release names, for promoters: * and ?
  pattern text NOT NULL DEFAULT '',                      -- the same as a regular expression
  PRIMARY KEY (kind, role, names)
);

CREATE TABLE logs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE
    CHECK (name ~ '^(run/[A-Za-z0-9][A-Za-z0-9._-]*|release/[A-Za-z0-9][A-Za-z0-9._/-]*)$'
      AND length(name) <= 208),
  begun_by name NOT NULL DEFAULT session_user,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  listed boolean NOT NULL DEFAULT true                   -- false: a run that `runs` does not have
);
CREATE INDEX logs_unlisted ON logs (name) WHERE NOT listed;

-- A log is its chunks' data, one after the other: the bytes of docs/format.md.
CREATE TABLE chunks (
  log bigint NOT NULL REFERENCES logs,
  after bigint NOT NULL CHECK (after >= 0),              -- number of the lines before
  last bigint NOT NULL CHECK (last > after),             -- number of its last line
  prev text COLLATE "C" CHECK ((prev IS NULL) = (after = 0)),
  head text COLLATE "C" NOT NULL CHECK (length(head) = 64 AND translate(head, '0123456789abcdef', '') = ''),
  open boolean NOT NULL,                                 -- false: its last line ends the log
  follows boolean NOT NULL DEFAULT true CHECK (follows),
  mark integer NOT NULL,                                 -- bytes of its last line, with the newline
  seq bigint,                                            -- of its first event, if append_texts gave it;
  ahead bigint,                                          -- then, highest seq minus number of events
  nonce bytea NOT NULL,                                  -- tells a repeated append from another's
  written_by name NOT NULL DEFAULT session_user,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  data bytea NOT NULL CHECK (encode(substr(data, length(data) - 66), 'escape') = head || E'"}\n'),
  PRIMARY KEY (log, after),                              -- one successor: no fork
  UNIQUE (log, last, head, open),
  UNIQUE (log, nonce, after),
  FOREIGN KEY (log, after, prev, follows)                -- no gap, the right link, nothing after an end
    REFERENCES chunks (log, last, head, open)
);

-- A projection of the first and last lines of runs, for lists. No rule reads it; `verify` compares it.
CREATE TABLE runs (
  log bigint PRIMARY KEY REFERENCES logs ON DELETE CASCADE,
  run_id text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  spec text COLLATE "C" NOT NULL,
  created_at text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL DEFAULT 'RUNNING',
  duration_ms bigint,
  tags jsonb,                                            -- NULL: jsonb cannot hold them
  first bytea NOT NULL,
  final bytea
);
CREATE INDEX runs_by_age ON runs (created_at DESC, run_id DESC);
CREATE INDEX runs_by_agent ON runs (agent, created_at DESC);
CREATE INDEX runs_by_spec ON runs (spec, created_at DESC);
CREATE INDEX runs_by_status ON runs (status, created_at DESC);
CREATE INDEX runs_by_id ON runs (run_id);
CREATE INDEX runs_by_tags ON runs USING gin (tags jsonb_path_ops);

CREATE SEQUENCE uploads;
CREATE TABLE parts (
  upload bigint NOT NULL,
  number integer NOT NULL CHECK (number >= 0),           -- from 0; each but the last has 1 MiB
  data bytea NOT NULL CHECK (length(data) <= 1048576),
  by name NOT NULL DEFAULT session_user,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (upload, number)
);
ALTER TABLE parts ALTER data SET STORAGE EXTERNAL;       -- compressed content is the rule
CREATE TABLE blobs (
  digest text COLLATE "C" PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL,
  put timestamptz NOT NULL DEFAULT clock_timestamp(),    -- the last time
  put_by name NOT NULL DEFAULT session_user,
  upload bigint NOT NULL UNIQUE
);
CREATE INDEX blobs_by_age ON blobs (put);
CREATE SEQUENCE removals;                                -- how often removing began

CREATE TABLE documents (
  name text COLLATE "C" PRIMARY KEY,
  data bytea NOT NULL,
  nonce bytea NOT NULL,
  written_by name NOT NULL DEFAULT session_user,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Nothing stored is changed by accident, the owner's psql included.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF coalesce(current_setting('aivcs.change', true), '') <> TG_TABLE_NAME THEN
    RAISE EXCEPTION 'what is stored in % is never changed', TG_TABLE_NAME
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON chunks
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON logs
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON parts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON blobs
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Rights

CREATE FUNCTION is_owner() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path FROM CURRENT AS $$ SELECT pg_has_role(session_user, current_user, 'MEMBER') $$;

-- In PL/pgSQL, as all that an append calls: the server plans a function in SQL at every call.
CREATE FUNCTION may(wanted text, release text DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RETURN pg_has_role(session_user, current_user, 'MEMBER') OR EXISTS (
    SELECT FROM rights
    WHERE kind = wanted AND (release IS NULL OR names = '*' OR release ~ pattern)
      AND EXISTS (SELECT FROM pg_roles WHERE oid = role)
      AND pg_has_role(session_user, role, 'MEMBER'));
END $$;

CREATE FUNCTION require(allowed boolean, what text) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  IF NOT coalesce(allowed, false) THEN
    RAISE EXCEPTION '% may not %', session_user, what USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;

-- Logs

CREATE FUNCTION lock_log(log_name text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || log_name, 0));
END $$;

-- Names in the alphabet of `logs` can still leave a folder, or be no name to a client, and then they are
-- in the way of every copy of the store.
CREATE FUNCTION is_name(log_name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT AS $$
BEGIN
  RETURN log_name ~ '^(run/[A-Za-z0-9][A-Za-z0-9._-]{1,199}|release/[A-Za-z0-9][A-Za-z0-9._/-]{0,199})$'
    AND log_name || '/' !~ '/(\.{0,2}|[^/]*\.jsonl)/';
END $$;

-- The type of a line, with the kind of an event or the status of an end; NULL if it is neither.
CREATE FUNCTION kind_of(line bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT AS $$
DECLARE
  entry json;
BEGIN
  entry := convert_from(line, 'UTF8')::json;
  IF starts_with(convert_from(line, 'UTF8'), '{"type":"' || (entry ->> 'type') || '",') THEN
    RETURN concat_ws(' ', entry ->> 'type',
      entry ->> CASE entry ->> 'type' WHEN 'event' THEN 'kind' WHEN 'end' THEN 'status' END);
  END IF;
  RETURN NULL;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
  RETURN NULL;
END $$;

-- A run is what its starter says; others end it (`run reap`), or say in it what was erased.
CREATE FUNCTION require_append(log_name text, begun_by name, lines bytea[]) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  kinds text[];
BEGIN
  IF log_name LIKE 'release/%' THEN
    PERFORM require(may('promoter', substr(log_name, 9)), 'change the release ' || substr(log_name, 9));
  ELSIF begun_by = session_user THEN
    PERFORM require(may('recorder'), 'record runs');
  ELSIF NOT is_owner() THEN
    kinds := ARRAY(SELECT kind_of(line) FROM unnest(lines) WITH ORDINALITY u(line, n) ORDER BY n);
    IF kinds IN ('{end FAILED}', '{end CANCELLED}', '{event orphaned,end FAILED}') THEN
      PERFORM require(may('maintainer'), 'end a run that ' || begun_by || ' started');
    ELSIF kinds <@ '{event redaction,redacted}' THEN
      PERFORM require(may('eraser'), 'redact a run that ' || begun_by || ' started');
    ELSE
      PERFORM require(false, 'append to a run that ' || begun_by || ' started');
    END IF;
  END IF;
END $$;

-- The two numbers that an event's seq follows from: highest and count; NULL for any other line.
CREATE FUNCTION numbers(line bytea) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT AS $$
DECLARE
  entry json;
  highest text;
  events text;
BEGIN
  entry := convert_from(line, 'UTF8')::json;
  IF coalesce(entry ->> 'format', '1') <> '1' THEN
    RETURN NULL;
  END IF;
  IF entry ->> 'type' = 'run' THEN
    RETURN ARRAY[0, 0];
  ELSIF entry ->> 'type' <> 'event' THEN
    RETURN NULL;
  END IF;
  IF entry -> 'high' IS NULL THEN
    highest := entry ->> 'seq';
    events := highest;
  ELSIF json_array_length(entry -> 'high') = 2 THEN
    highest := entry -> 'high' ->> 0;
    events := entry -> 'high' ->> 1;
  END IF;
  IF highest ~ '^\d{1,16}$' AND events ~ '^\d{1,16}$' AND entry ->> 'seq' ~ '^\d{1,16}$' THEN
    RETURN ARRAY[highest, events];
  END IF;
  RETURN NULL;
EXCEPTION WHEN data_exception OR statement_too_complex THEN  -- it is no JSON: the client will say so
  RETURN NULL;
END $$;

-- Adds or completes a run's row of the projection; false if the line has another shape, and the row
-- is not to be.
CREATE FUNCTION project(of_log bigint, line bytea) RETURNS boolean LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  entry json;
  found_tags jsonb;
BEGIN
  entry := convert_from(line, 'UTF8')::json;             -- not above, where nothing catches its error
  IF entry ->> 'type' = 'end' THEN
    IF entry ->> 'status' NOT IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN
      RETURN false;
    END IF;
    UPDATE runs SET status = entry ->> 'status', final = line,
      duration_ms = (entry -> 'summary' ->> 'duration_ms')::bigint WHERE log = of_log;
    RETURN FOUND;
  END IF;
  IF entry ->> 'type' <> 'run' OR entry ->> 'format' <> '1'
      -- Whoever claims the id of another's run shall not stand in lists as that run.
      OR NOT EXISTS (SELECT FROM logs WHERE id = of_log AND name = 'run/' || (entry ->> 'run_id'))
      OR entry ->> 'created_at' !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$' THEN
    RETURN false;
  END IF;
  BEGIN
    found_tags := (entry -> 'metadata' -> 'tags')::jsonb;
  EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    found_tags := NULL;
  END;
  INSERT INTO runs (log, run_id, agent, spec, created_at, tags, first)
    VALUES (of_log, entry ->> 'run_id', entry -> 'metadata' ->> 'agent_name', entry ->> 'spec_digest',
      entry ->> 'created_at', found_tags, line);
  RETURN true;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded
    OR statement_too_complex THEN
  RETURN false;
END $$;

CREATE FUNCTION joined(lines bytea[]) RETURNS bytea LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT AS $$
BEGIN
  IF cardinality(lines) = 1 THEN
    RETURN lines[1];
  END IF;
  RETURN (SELECT string_agg(line, ''::bytea ORDER BY number)
    FROM unnest(lines) WITH ORDINALITY u(line, number));
END $$;

-- Appends linked lines after a known line. A unique or foreign key refuses them if the log goes on
-- otherwise.
CREATE FUNCTION append(log_name text, lines_before bigint, hash_before text, lines bytea[],
  own_nonce bytea, durable boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
  of_log bigint;
  starter name := session_user;
  is_run boolean := log_name LIKE 'run/%';
  is_over boolean := false;
  hash bytea := convert_to(coalesce(hash_before, ''), 'UTF8');
  line bytea;
  size integer;
BEGIN
  IF lines_before > 0 THEN
    SELECT id, begun_by INTO of_log, starter FROM logs WHERE name = log_name;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'no log %', log_name USING ERRCODE = 'foreign_key_violation';
    END IF;
  END IF;
  PERFORM require_append(log_name, starter, lines);
  FOREACH line IN ARRAY lines LOOP
    size := length(line);
    IF is_run AND substr(line, 1, 19) = '{"type":"redacted",'::bytea THEN
      PERFORM require(may('eraser'), 'erase');           -- its hash is kept: nothing here proves it
      hash := substr(line, size - 66, 64);
    ELSE
      hash := convert_to(encode(sha256(hash || substr(line, 1, size - 76)), 'hex'), 'UTF8');
    END IF;
    IF is_over OR substr(line, size - 75) <> '\x2c2268617368223a22'::bytea || hash || '\x227d0a'::bytea
        OR position('\x0a'::bytea IN line) <> size THEN
      RAISE EXCEPTION 'a line of % does not follow from the line before', log_name
        USING ERRCODE = 'check_violation';
    END IF;
    is_over := is_run AND substr(line, 1, 13) = '{"type":"end"';
  END LOOP;
  IF NOT durable THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  IF lines_before = 0 THEN
    IF NOT is_name(log_name) THEN
      RAISE EXCEPTION '% is not the name of a log', log_name USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO logs (name) VALUES (log_name) RETURNING id INTO of_log;
  END IF;
  INSERT INTO chunks (log, after, last, prev, head, open, mark, nonce, data) VALUES (
    of_log, lines_before, lines_before + cardinality(lines), hash_before, encode(hash, 'escape'),
    NOT is_over, size, own_nonce, joined(lines));
  IF is_run AND (lines_before = 0 AND NOT project(of_log, lines[1])
      OR is_over AND NOT project(of_log, line)) THEN
    DELETE FROM runs WHERE log = of_log;                 -- the log itself tells what is wrong
    PERFORM set_config('aivcs.change', 'logs', true);
    UPDATE logs SET listed = false WHERE id = of_log;
    PERFORM set_config('aivcs.change', '', true);
  END IF;
END $$;

-- Appends events without a seq: numbers and links them here, in one round trip, in a fair queue.
-- NULL: it did nothing, because the log is not what it should be; the client finds out why.
CREATE FUNCTION append_texts(log_name text, texts bytea[], own_nonce bytea, durable boolean)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  of_log bigint;
  starter name;
  is_copy boolean;
  tail record;
  line bytea;
  before text;
  hash bytea;
  at bigint[];
  first_seq bigint;
  gap bigint;
  body bytea;
  lines bytea[] := '{}';
BEGIN
  SELECT id, begun_by,
      EXISTS (SELECT FROM documents WHERE name = 'replicas/' || substr(log_name, 5))
    INTO of_log, starter, is_copy FROM logs WHERE name = log_name AND name LIKE 'run/%';
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM require_append(log_name, starter, CASE WHEN starter <> session_user THEN
    ARRAY(SELECT '{"type":"event",'::bytea || t || '}'::bytea FROM unnest(texts) t) END);
  IF is_copy THEN
    RETURN NULL;                                         -- the client says where it goes on
  END IF;
  PERFORM lock_log(log_name);
  -- Another statement than the one above, which saw what was committed before the lock was had.
  SELECT after, last, prev, head, open, seq, ahead, mark,
      substr(data, greatest(1, length(data) - mark - 66)) AS data,
      (SELECT seq FROM chunks WHERE log = of_log AND nonce = own_nonce) AS own
    INTO tail FROM chunks WHERE log = of_log ORDER BY after DESC LIMIT 1;
  IF tail.own IS NOT NULL THEN
    RETURN tail.own;
  END IF;
  IF tail.last IS NULL OR NOT tail.open THEN
    RETURN NULL;
  END IF;
  line := substr(tail.data, length(tail.data) - tail.mark + 1, tail.mark - 1);
  before := CASE WHEN length(tail.data) = tail.mark THEN coalesce(tail.prev, '')
    ELSE encode(substr(tail.data, 1, 64), 'escape') END;
  IF encode(sha256(convert_to(before, 'UTF8') || substr(line, 1, tail.mark - 76)), 'hex') <> tail.head THEN
    RETURN NULL;
  END IF;
  IF tail.ahead IS NULL THEN
    at := numbers(line);
  ELSE                                                   -- without parsing the line
    at[1] := tail.seq + tail.last - tail.after - 1;
    at[2] := at[1] - tail.ahead;
  END IF;
  IF at IS NULL OR at[1] + cardinality(texts) > 9007199254740991 THEN
    RETURN NULL;
  END IF;
  first_seq := at[1] + 1;
  gap := at[1] - at[2];
  hash := convert_to(tail.head, 'UTF8');
  FOR i IN 1 .. cardinality(texts) LOOP
    body := convert_to('{"type":"event","seq":' || (at[1] + i) || ',', 'UTF8') || texts[i];
    IF gap <> 0 THEN
      body := body || convert_to(',"high":[' || (at[1] + i) || ',' || (at[2] + i) || ']', 'UTF8');
    END IF;
    IF position('\x0a'::bytea IN body) > 0 THEN
      RAISE EXCEPTION 'an event has more than one line' USING ERRCODE = 'check_violation';
    END IF;
    hash := convert_to(encode(sha256(hash || body), 'hex'), 'UTF8');
    line := body || '\x2c2268617368223a22'::bytea || hash || '\x227d0a'::bytea;
    lines := lines || line;
  END LOOP;
  IF NOT durable THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  INSERT INTO chunks (log, after, last, prev, head, open, mark, seq, ahead, nonce,
      data) VALUES (
    of_log, tail.last, tail.last + cardinality(texts), tail.head, encode(hash, 'escape'), true,
    length(line), first_seq, gap, own_nonce, joined(lines));
  RETURN first_seq;
END $$;

-- Replaces lines of a chunk by redacted ones that keep their hashes, never the first or the last of the
-- log. Offsets (from 1) ascend; sizes and lines have their newlines.
CREATE FUNCTION redact(log_name text, chunk_after bigint, offsets integer[], sizes integer[],
  redacted bytea[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  of_log bigint := (SELECT id FROM logs WHERE name = log_name);
  old record;
  line bytea;
  stub bytea;
  content bytea;
  is_at_end boolean;
  new_mark integer;
BEGIN
  PERFORM require(may('eraser') AND log_name LIKE 'run/%', 'erase ' || log_name);
  PERFORM lock_log(log_name);
  SELECT data, mark, last, length(data) AS size INTO STRICT old
    FROM chunks WHERE log = of_log AND after = chunk_after;
  content := old.data;
  new_mark := old.mark;
  FOR i IN REVERSE cardinality(offsets) .. 1 LOOP
    line := substr(old.data, offsets[i], sizes[i]);
    stub := redacted[i];
    is_at_end := offsets[i] + sizes[i] > old.size;
    IF chunk_after = 0 AND offsets[i] = 1
        OR is_at_end AND NOT EXISTS (SELECT FROM chunks WHERE log = of_log AND after = old.last)
        OR offsets[i] > 1 AND substr(old.data, offsets[i] - 1, 1) <> '\x0a'::bytea
        OR i < cardinality(offsets) AND offsets[i] + sizes[i] > offsets[i + 1]
        OR position('\x0a'::bytea IN line) <> length(line)
        OR position('\x0a'::bytea IN stub) <> length(stub)
        OR substr(stub, 1, 19) <> '{"type":"redacted",'::bytea
        OR substr(stub, length(stub) - 75) <> substr(line, length(line) - 75) THEN
      RAISE EXCEPTION 'a line of % is not the one that was to be redacted', log_name
        USING ERRCODE = 'check_violation';
    END IF;
    content := overlay(content PLACING stub FROM offsets[i] FOR sizes[i]);
    IF is_at_end THEN
      new_mark := length(stub);
    END IF;
  END LOOP;
  PERFORM set_config('aivcs.change', 'chunks', true);
  UPDATE chunks SET data = content, mark = new_mark WHERE log = of_log AND after = chunk_after;
  PERFORM set_config('aivcs.change', '', true);
END $$;

-- Removes the log of a run, and what is beside it: its marks, and the remarks on it.
CREATE FUNCTION remove_log(log_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
  of_log bigint := (SELECT id FROM logs WHERE name = log_name);
  run text := substr(log_name, 5);
  notes text := 'notes/' || left(run, 2) || '/' || run;
BEGIN
  PERFORM require(may('eraser') AND log_name LIKE 'run/%', 'erase ' || log_name);
  PERFORM lock_log(log_name);
  PERFORM set_config('aivcs.change', 'chunks', true);
  DELETE FROM chunks WHERE log = of_log;
  PERFORM set_config('aivcs.change', 'logs', true);
  DELETE FROM logs WHERE id = of_log;
  PERFORM set_config('aivcs.change', '', true);
  -- In the same transaction, as an eraser may drop no mark of a run that is there.
  DELETE FROM documents WHERE name IN ('replicas/' || run, 'untrusted/' || run)
    OR name > notes || '/' AND name < notes || '0';      -- which follows on the slash
END $$;

-- Blobs

CREATE FUNCTION hold_key() RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS $$
  SELECT hashtextextended(current_schema() || ' blobs', 0)
$$;
CREATE FUNCTION hold() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM pg_advisory_lock_shared(hold_key());
  RETURN (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM removals);
END $$;
CREATE FUNCTION end_hold() RETURNS boolean LANGUAGE sql SET search_path FROM CURRENT AS $$
  SELECT pg_advisory_unlock_shared(hold_key())
$$;
CREATE FUNCTION try_removal() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM require(may('maintainer') OR may('eraser'), 'remove blobs');
  IF NOT pg_try_advisory_lock(hold_key()) THEN
    RETURN false;
  END IF;
  PERFORM nextval('removals');
  RETURN true;
END $$;
CREATE FUNCTION end_removal() RETURNS boolean LANGUAGE sql SET search_path FROM CURRENT AS $$
  SELECT pg_advisory_unlock(hold_key())
$$;

CREATE FUNCTION stored_digest(of_upload bigint) RETURNS text LANGUAGE sql STABLE
SET search_path FROM CURRENT AS $$
  SELECT encode(sha256(coalesce(string_agg(data, ''::bytea ORDER BY number), '')), 'hex')
  FROM parts WHERE upload = of_upload
$$;

CREATE FUNCTION drop_parts(of_upload bigint) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM set_config('aivcs.change', 'parts', true);
  DELETE FROM parts WHERE upload = of_upload;
  PERFORM set_config('aivcs.change', '', true);
END $$;

-- Renews the time of a blob that is stored and whole; false if it has to be uploaded.
CREATE FUNCTION renew_blob(wanted text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
  found_upload bigint;
BEGIN
  PERFORM require(may('recorder') OR may('promoter'), 'store blobs');
  SELECT upload INTO found_upload FROM blobs WHERE digest = wanted FOR UPDATE;
  IF NOT FOUND OR stored_digest(found_upload) <> wanted THEN
    RETURN false;
  END IF;
  UPDATE blobs SET put = clock_timestamp() WHERE digest = wanted;
  RETURN true;
END $$;

CREATE FUNCTION begin_upload() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT nextval('uploads')
$$;
CREATE FUNCTION put_part(to_upload bigint, part integer, content bytea) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM require(may('recorder') OR may('promoter'), 'store blobs');
  PERFORM require(NOT EXISTS (SELECT FROM blobs WHERE upload = to_upload), 'change a blob');
  PERFORM require(NOT EXISTS (SELECT FROM parts WHERE upload = to_upload AND by <> session_user),
    'add to the upload of another');
  INSERT INTO parts (upload, number, data) VALUES (to_upload, part, content);
END $$;

-- Makes an upload the content of its digest, which is computed here.
CREATE FUNCTION finish_upload(from_upload bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
  its_digest text := stored_digest(from_upload);
  its_size bigint := (SELECT coalesce(sum(length(data)), 0) FROM parts WHERE upload = from_upload);
  old_upload bigint;
BEGIN
  PERFORM require(may('recorder') OR may('promoter'), 'store blobs');
  PERFORM require(NOT EXISTS (SELECT FROM parts WHERE upload = from_upload AND by <> session_user),
    'finish the upload of another');
  IF EXISTS (SELECT FROM parts WHERE upload = from_upload
      HAVING max(number) + 1 <> count(*) OR count(*) FILTER (WHERE length(data) < 1048576) > 1) THEN
    RAISE EXCEPTION 'the upload has gaps' USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO blobs (digest, size, upload) VALUES (its_digest, its_size, from_upload)
    ON CONFLICT (digest) DO NOTHING;
  IF FOUND THEN
    RETURN its_digest;
  END IF;
  SELECT upload INTO old_upload FROM blobs WHERE digest = its_digest FOR UPDATE;
  IF old_upload IS NULL THEN                             -- removed since the conflict
    INSERT INTO blobs (digest, size, upload) VALUES (its_digest, its_size, from_upload);
  ELSIF old_upload <> from_upload THEN
    UPDATE blobs SET upload = from_upload, size = its_size, put = clock_timestamp(),
      put_by = session_user WHERE digest = its_digest;
    PERFORM drop_parts(old_upload);
  END IF;
  RETURN its_digest;
END $$;

-- Stores a content of at most 1 MiB.
CREATE FUNCTION put_blob(content bytea) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
  its_digest text := encode(sha256(content), 'hex');
  to_upload bigint;
BEGIN
  IF renew_blob(its_digest) THEN
    RETURN its_digest;
  END IF;
  to_upload := nextval('uploads');
  INSERT INTO parts (upload, number, data) VALUES (to_upload, 0, content);
  RETURN finish_upload(to_upload);
END $$;

CREATE FUNCTION remove_blob(unwanted text, unless_since timestamptz) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  old_upload bigint;
BEGIN
  PERFORM require(may('maintainer') OR may('eraser'), 'remove blobs');
  PERFORM set_config('aivcs.change', 'blobs', true);
  DELETE FROM blobs WHERE digest = unwanted AND (unless_since IS NULL OR put < unless_since)
    RETURNING upload INTO old_upload;
  PERFORM set_config('aivcs.change', '', true);
  IF old_upload IS NULL THEN
    RETURN false;
  END IF;
  PERFORM drop_parts(old_upload);
  RETURN true;
END $$;

-- Parts of uploads that were never finished.
CREATE FUNCTION sweep(moment timestamptz, remove boolean) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  found_uploads bigint[] := ARRAY(SELECT DISTINCT upload FROM parts p WHERE written_at < moment
    AND NOT EXISTS (SELECT FROM blobs b WHERE b.upload = p.upload));
BEGIN
  IF remove AND found_uploads <> '{}' THEN
    PERFORM require(may('maintainer') OR may('eraser'), 'remove blobs');
    PERFORM drop_parts(u) FROM unnest(found_uploads) u;
  END IF;
  RETURN cardinality(found_uploads);
END $$;

-- Documents

-- Whether a document is the statement that its name says, as far as SQL can tell (docs/format.md).
CREATE FUNCTION is_statement(document text, content bytea) RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT AS $$
DECLARE
  entry json;
  is_note boolean := document LIKE 'notes/%';
BEGIN
  IF encode(sha256(content), 'hex') <> right(document, 64) THEN
    RETURN false;
  END IF;
  -- Text cannot hold the one escape, wherever it is.
  entry := replace(convert_from(content, 'UTF8'), '\u0000', '\u0001')::json;
  RETURN coalesce(entry ->> 'type' = CASE WHEN is_note THEN 'annotation' ELSE 'erasure' END
    AND entry ->> 'format' = '1'
    AND entry ->> 'by' ~ '^[^\u0001-\u001f]{1,200}$'
    AND entry ->> 'created_at' ~ '^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$'
    AND (entry ->> 'created_at')::timestamptz IS NOT NULL
    AND CASE WHEN is_note THEN entry ->> 'run_id' = split_part(document, '/', 3)
        AND entry ->> 'kind' ~ '^[^\u0001-\u001f]{1,200}$'
      ELSE entry ->> 'reason' ~ '\S' AND entry ->> 'what' IN ('event', 'log', 'logs', 'blob', 'annotation')
      END, false);
EXCEPTION WHEN data_exception OR statement_too_complex THEN
  RETURN false;
END $$;

CREATE FUNCTION require_document(document text, removing boolean) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  folder text := split_part(document, '/', 1);
  run text := 'run/' || split_part(document, '/', CASE folder WHEN 'notes' THEN 3 ELSE 2 END);
BEGIN
  IF is_owner() THEN
    RETURN;
  END IF;
  PERFORM require(
    -- A name that no command would give is in the way of every copy of the store.
    (removing OR document ~ ('^((pins|erasures|erasing)/[0-9a-f]{64}'
        '|notes/[^/]{2}/[^/]+/[0-9a-f]{64}|(replicas|untrusted)/[^/]+)$')
      AND (folder NOT IN ('notes', 'replicas', 'untrusted') OR is_name(run))
      AND (folder <> 'notes' OR split_part(document, '/', 2) = substr(run, 5, 2)))
    AND CASE folder
      WHEN 'pins' THEN may('maintainer') OR may('recorder') OR may('promoter') OR may('eraser')
      WHEN 'notes' THEN CASE WHEN removing THEN may('eraser') ELSE may('recorder') END
      WHEN 'erasures' THEN may('eraser') AND NOT removing
      WHEN 'erasing' THEN may('eraser')                  -- begun, and not carried out yet
      -- Marks of runs: of one's own, or of one that nobody has begun.
      WHEN 'replicas' THEN may('recorder')
      WHEN 'untrusted' THEN may('recorder') AND NOT removing
    END
    AND (folder NOT IN ('replicas', 'untrusted')
      OR NOT EXISTS (SELECT FROM logs WHERE name = run AND begun_by <> session_user)),
    'change the document ' || document);
END $$;

CREATE FUNCTION version_of(data bytea) RETURNS text LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
  SELECT coalesce(encode(sha256(data), 'hex'), '')
$$;

-- What is there may be changed: a pin by who made it and by who may remove the blob; annotations, records
-- of erasures and marks of untrusted runs by the owner.
CREATE FUNCTION require_change(old documents) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  IF old.name LIKE 'pins/%' THEN
    PERFORM require(old.written_by = session_user OR may('maintainer') OR may('eraser'),
      'change a pin of ' || old.written_by);
  -- Without its mark a run that nobody vouches for would be evidence.
  ELSIF old.name LIKE 'notes/%' OR old.name LIKE 'erasures/%' OR old.name LIKE 'untrusted/%' THEN
    PERFORM require(is_owner(), 'change the document ' || old.name);
  END IF;
END $$;

-- Writes a document that has the expected version ('' if it must not exist, NULL for any).
-- False: it has another, and was not written by an earlier attempt with this nonce.
CREATE FUNCTION write_document(document text, content bytea, expected text, own_nonce bytea)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  found_document documents;
BEGIN
  PERFORM require_document(document, false);
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || document, 1));
  SELECT * INTO found_document FROM documents WHERE name = document;
  IF found_document.nonce = own_nonce THEN
    RETURN true;
  END IF;
  IF expected IS NOT NULL AND version_of(found_document.data) <> expected THEN
    RETURN false;
  END IF;
  PERFORM require_change(found_document);
  IF document ~ '^(notes|erasures)/' AND NOT is_owner() AND NOT is_statement(document, content) THEN
    RAISE EXCEPTION 'the content of % is not what its name says', document
      USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO documents (name, data, nonce) VALUES (document, content, own_nonce)
    ON CONFLICT (name) DO UPDATE SET data = content, nonce = own_nonce,
      written_by = session_user, written_at = clock_timestamp();
  RETURN true;
END $$;

CREATE FUNCTION drop_document(document text, expected text) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  found_document documents;
BEGIN
  IF may('eraser') AND NOT EXISTS (SELECT FROM documents WHERE name = document) THEN
    RETURN CASE WHEN coalesce(expected, '') = '' THEN false END;  -- it went with its run
  END IF;
  PERFORM require_document(document, true);
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || document, 1));
  SELECT * INTO found_document FROM documents WHERE name = document;
  IF expected IS NOT NULL AND version_of(found_document.data) <> expected THEN
    RETURN NULL;
  END IF;
  IF document LIKE 'pins/%' THEN
    PERFORM require_change(found_document);
  END IF;
  DELETE FROM documents WHERE name = document;
  RETURN FOUND;
END $$;

-- For people: every line of every log, and every event, as text and JSON.

CREATE FUNCTION as_json(line text) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN line::json;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
  RETURN NULL;
END $$;

CREATE VIEW lines AS
  SELECT l.name AS log, c.after + n AS number, line, c.written_by, c.written_at
  FROM logs l JOIN chunks c ON c.log = l.id,
    unnest(string_to_array(rtrim(convert_from(c.data, 'UTF8'), E'\n'), E'\n')) WITH ORDINALITY u(line, n);

CREATE VIEW events AS
  SELECT substr(log, 5) AS run_id, (entry ->> 'seq')::bigint AS seq, entry ->> 'kind' AS kind,
    entry -> 'payload' AS payload, (entry ->> 'timestamp')::timestamptz AS timestamp, written_by, written_at
  FROM (SELECT log, as_json(line) AS entry, written_by, written_at FROM lines
        WHERE log LIKE 'run/%' AND line LIKE '{"type":"event"%') e
  WHERE entry IS NOT NULL;

