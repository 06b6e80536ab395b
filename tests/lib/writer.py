"""Sessions that keep writing while a test looks on."""
import threading


class Writer:
    """Repeats a body of PL/pgSQL, each time a transaction, in a session for each of `seeds` until the `with` block ends; what
    one of them fails with is raised there. A body has the variables i (from 1), seed and n, and its tables in `public`;
    the table writer.control is not to be captured."""

    SCRIPT = """
        do $$
        declare i bigint := 0; seed int := {seed}; n bigint;
        begin
          while not (select stop from writer.control) loop
            i := i + 1;
            {body}
            commit;
            perform pg_sleep({pause});
          end loop;
        end $$"""

    def __init__(self, postgres, db, body, seeds=(1,), pause=0.001):
        self.postgres, self.db, self.errors = postgres, db, []
        scripts = [self.SCRIPT.format(seed=seed, body=body, pause=pause) for seed in seeds]
        self.threads = [threading.Thread(target=self._write, args=(s,)) for s in scripts]

    def _write(self, script):
        try:
            self.postgres.psql(script, self.db)
        except RuntimeError as e:
            self.errors.append(e)

    def __enter__(self):
        self.postgres.psql("create schema writer; create table writer.control(stop bool); insert into writer.control values (false)",
                           self.db)
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *_):
        self.postgres.psql("update writer.control set stop = true", self.db)
        for t in self.threads:
            t.join()
        if self.errors and kind is None:
            raise self.errors[0]
