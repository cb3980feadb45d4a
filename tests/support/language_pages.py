"""Pages of one handbook in many languages, each with front matter and code in English, as real ones have."""
# ruff: noqa: RUF001 - letters of other alphabets are meant

_PAGE = """---
title: backup
description: How the nightly backup of the workshop database is made, and what is to be done when it fails.
tags: [backup, restore, the database]
---

# {title}

{first}

```python
# Open the archive and read the list of the files that are in it.
def restore(archive: str, target: str) -> None:
    with open_archive(archive) as files:
        for name in files.names():
            files.extract(name, target)  # it is there when this has returned
```

{second} `restore --target ./data` https://example.com/how-to-restore-the-database-from-an-archive

    $ backup list --newest
    There are 3 archives in the store, and the newest of them is from yesterday.
"""

_TEXTS = {
    "spanish": (
        "Copias de seguridad",
        "Cada noche el programa guarda una copia de la base de datos del taller en otro disco. Si la copia falla, se "
        "envía un mensaje al encargado y el intento se repite una hora más tarde.",
        "Para recuperar los datos, elija el archivo más reciente y espere hasta que termine la comprobación.",
    ),
    "german": (
        "Sicherungen",
        "Jede Nacht legt das Programm eine Sicherung der Datenbank der Werkstatt auf einer anderen Platte ab. Schlägt "
        "sie fehl, bekommt der Verwalter eine Nachricht, und eine Stunde später wird es noch einmal versucht.",
        "Um die Daten wiederherzustellen, wählen Sie das neueste Archiv und warten, bis die Prüfung beendet ist.",
    ),
    "french": (
        "Sauvegardes",
        "Chaque nuit, le programme enregistre une copie de la base de données de l'atelier sur un autre disque. En cas "
        "d'échec, le responsable reçoit un message et l'essai est répété une heure plus tard.",
        "Pour récupérer les données, choisissez l'archive la plus récente et attendez la fin du contrôle.",
    ),
    "italian": (
        "Copie di sicurezza",
        "Ogni notte il programma salva una copia della banca dati dell'officina su un altro disco. Se la copia non "
        "riesce, il responsabile riceve un messaggio e il tentativo si ripete un'ora dopo.",
        "Per recuperare i dati, scegliete l'archivio più recente e aspettate la fine del controllo.",
    ),
    "portuguese": (
        "Cópias de segurança",
        "Todas as noites o programa guarda uma cópia da base de dados da oficina noutro disco. Se a cópia falhar, o "
        "responsável recebe uma mensagem e a tentativa repete-se uma hora mais tarde.",
        "Para recuperar os dados, escolha o arquivo mais recente e espere até que a verificação termine.",
    ),
    "dutch": (
        "Reservekopieën",
        "Elke nacht zet het programma een kopie van de gegevens van de werkplaats op een andere schijf. Als dat niet "
        "lukt, krijgt de beheerder een bericht en wordt het een uur later opnieuw geprobeerd.",
        "Om de gegevens terug te halen kiest u het nieuwste archief en wacht u tot de controle klaar is.",
    ),
    "swedish": (
        "Säkerhetskopior",
        "Varje natt sparar programmet en kopia av verkstadens databas på en annan skiva. Om det misslyckas får den "
        "ansvarige ett meddelande, och en timme senare görs ett nytt försök.",
        "För att återställa uppgifterna väljer du det senaste arkivet och väntar tills kontrollen är klar.",
    ),
    "norwegian": (
        "Sikkerhetskopier",
        "Hver natt lagrer programmet en kopi av verkstedets database på en annen disk. Hvis det ikke lykkes, får den "
        "ansvarlige en melding, og en time senere blir det gjort et nytt forsøk.",
        "For å hente dataene tilbake velger du det nyeste arkivet og venter til kontrollen er ferdig.",
    ),
    "polish": (
        "Kopie zapasowe",
        "Każdej nocy program zapisuje kopię bazy danych warsztatu na innym dysku. Jeśli się to nie uda, administrator "
        "dostaje wiadomość, a próba jest powtarzana godzinę później.",
        "Aby odzyskać dane, wybierz najnowsze archiwum i poczekaj, aż skończy się sprawdzanie.",
    ),
    "turkish": (
        "Yedekler",
        "Program her gece atölyenin veritabanının bir kopyasını başka bir diske kaydeder. Bu başarısız olursa "
        "sorumluya bir ileti gönderilir ve bir saat sonra yeniden denenir.",
        "Verileri geri almak için en yeni arşivi seçin ve denetim bitene kadar bekleyin.",
    ),
    "russian": (
        "Резервные копии",
        "Каждую ночь программа сохраняет копию базы данных мастерской на другом диске. Если это не удаётся, "
        "ответственный получает сообщение, а через час попытка повторяется.",
        "Чтобы восстановить данные, выберите самый новый архив и дождитесь конца проверки.",
    ),
    "greek": (
        "Αντίγραφα ασφαλείας",
        "Κάθε νύχτα το πρόγραμμα αποθηκεύει ένα αντίγραφο της βάσης δεδομένων του εργαστηρίου σε άλλον δίσκο. Αν "
        "αποτύχει, ο υπεύθυνος λαμβάνει ένα μήνυμα και η προσπάθεια επαναλαμβάνεται μία ώρα αργότερα.",
        "Για να ανακτήσετε τα δεδομένα, διαλέξτε το νεότερο αρχείο και περιμένετε να τελειώσει ο έλεγχος.",
    ),
    "arabic": (
        "النسخ الاحتياطي",
        "يحفظ البرنامج كل ليلة نسخة من قاعدة بيانات الورشة على قرص آخر. وإذا فشل ذلك تصل رسالة إلى المسؤول، ثم تعاد "
        "المحاولة بعد ساعة واحدة.",
        "لاستعادة البيانات اختر أحدث نسخة وانتظر حتى ينتهي الفحص.",
    ),
}

_WITHOUT_STEMS = {
    "chinese": (
        "备份",
        "程序每天晚上把车间数据库的副本保存到另一块磁盘上。如果备份失败，管理员会收到一条消息，一小时后再试一次。",
        "要恢复数据，请选择最新的归档文件，并等待检查结束。",
    ),
    "japanese": (
        "バックアップ",
        "プログラムは毎晩、作業場のデータベースの写しを別のディスクに保存します。失敗した場合は担当者に通知が届き、一時間"
        "後にもう一度試みます。",
        "データを戻すには、一番新しいアーカイブを選び、検査が終わるまで待ってください。",
    ),
    "korean": (
        "백업",
        "프로그램은 매일 밤 작업장 데이터베이스의 사본을 다른 디스크에 저장합니다. 실패하면 담당자에게 알림이 가고 한 "
        "시간 뒤에 다시 시도합니다.",
        "데이터를 되돌리려면 가장 최근의 보관 파일을 고르고 검사가 끝날 때까지 기다리십시오.",
    ),
    "thai": (
        "การสำรองข้อมูล",
        "ทุกคืนโปรแกรมจะบันทึกสำเนาฐานข้อมูลของโรงงานไว้ในดิสก์อื่น หากไม่สำเร็จ ผู้ดูแลจะได้รับข้อความ และจะลองใหม่อีกครั้งในหนึ่งชั่วโมง",
        "หากต้องการกู้คืนข้อมูล ให้เลือกไฟล์ล่าสุดแล้วรอจนกว่าการตรวจสอบจะเสร็จ",
    ),
    "ukrainian": (
        "Резервні копії",
        "Щоночі програма зберігає копію бази даних майстерні на іншому диску. Якщо це не вдається, відповідальний "
        "отримує повідомлення, а за годину спроба повторюється.",
        "Щоб відновити дані, виберіть найновіший архів і дочекайтеся кінця перевірки.",
    ),
    "vietnamese": (
        "Sao lưu",
        "Mỗi đêm chương trình lưu một bản sao cơ sở dữ liệu của xưởng vào một ổ đĩa khác. Nếu không được, người phụ "
        "trách sẽ nhận được thông báo và một giờ sau sẽ thử lại.",
        "Để khôi phục dữ liệu, hãy chọn bản lưu mới nhất và chờ cho đến khi kiểm tra xong.",
    ),
}

_ENGLISH = (
    "Backups",
    "Every night the program keeps a copy of the workshop's database on another disk. Where that fails, whoever is in "
    "charge gets a message, and an hour later it is tried again.",
    "To get the data back, choose the newest archive and wait until the check has come to its end.",
)


def _page(texts: tuple[str, str, str]) -> str:
    return _PAGE.format(title=texts[0], first=texts[1], second=texts[2])


STEMMED = {language: _page(texts) for language, texts in _TEXTS.items()}
"""A page in each of some languages that Snowball has a stemmer for."""

UNSTEMMED = {language: _page(texts) for language, texts in _WITHOUT_STEMS.items()}
"""A page in each of some languages without one."""

ENGLISH = _page(_ENGLISH)
"""The page in English."""
